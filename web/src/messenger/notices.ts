import type { CallEnd } from "../call/ends.js";
import { type Phrase, phrase } from "../words.js";

/** What is said when a call is over: a note in the conversation, which stays, or an alert. */
export type Notice =
  | { readonly note: "noteHungUp" | "noteCancelled" | "noteLeft" | "noteCancelledByPeer" | "noteLost" | "noteGarbled" }
  | { readonly alert: "unavailable" | "undeliverable" | "unreadable" | "busy" | "declined" | "didNotAnswer" | "noConnection" };

/** What is said when a call is over, by how far it got and who called. */
interface Notices {
  readonly open: Notice | undefined;
  readonly outgoing: Notice | undefined;
  readonly incoming: Notice | undefined;
}

const always = (notice: Notice): Notices => ({ open: notice, outgoing: notice, incoming: notice });

const NOTICES: Readonly<Record<CallEnd, Notices>> = {
  "hung-up": { open: { note: "noteHungUp" }, outgoing: { note: "noteCancelled" }, incoming: { note: "noteCancelled" } },
  left: { open: { note: "noteLeft" }, outgoing: { note: "noteLeft" }, incoming: { note: "noteCancelledByPeer" } },
  // The call that takes its place speaks for itself.
  superseded: { open: { note: "noteLeft" }, outgoing: undefined, incoming: undefined },
  lost: always({ note: "noteLost" }),
  garbled: always({ note: "noteGarbled" }),
  unavailable: always({ alert: "unavailable" }),
  undeliverable: always({ alert: "undeliverable" }),
  unreadable: always({ alert: "unreadable" }),
  busy: always({ alert: "busy" }),
  declined: always({ alert: "declined" }),
  "no-answer": always({ alert: "didNotAnswer" }),
  "no-connection": always({ alert: "noConnection" }),
};

/** Returns what is said when a call is over. It is undefined if nothing is said. */
export function noticeOf(end: CallEnd, { wasOpen, outgoing }: { wasOpen: boolean; outgoing: boolean }): Notice | undefined {
  return NOTICES[end][wasOpen ? "open" : outgoing ? "outgoing" : "incoming"];
}

/** Says why the service refused a login. The page has its own words for the codes that it knows. */
export function refusal(login: string, { code, message, reason }: { code: string; message: string; reason?: Phrase }): Phrase {
  if (reason !== undefined) return reason;
  switch (code) {
    case "login-taken":
      return phrase("inUse", login);
    case "no-reply":
      return phrase("noReply");
    case "unreachable":
      return phrase("unreachable");
    case "malformed":
      return message === "" ? phrase("unfitLogin") : phrase("refusedLogin", message);
    case "login-invalid":
      return message === "" ? phrase("invalidLogin") : phrase("refusedLogin", message);
    default:
      // A service of the original protocol gives no reason. It has only this one.
      return message === "" ? phrase("inUse", login) : phrase("verbatim", message);
  }
}
