import type { CallEnd } from "../call/ends.js";
import { tokenFault } from "../signaling/token.js";
import { type Phrase, phrase } from "../words.js";

type Unproven = "missingFingerprint" | "severalFingerprints" | "unreadableFingerprint" | "otherCertificate";

/** What is said when a call is over: a note in the conversation, which stays, or an alert. */
export type Notice =
  | { readonly note: "noteHungUp" | "noteCancelled" | "noteLeft" | "noteCancelledByPeer" | "noteInterrupted" | "noteAway" | "noteGarbled" | "noteIdentityEnded" }
  | { readonly alert: "unavailable" | "undeliverable" | "unreadable" | "busy" | "declined" | "peerNoRelay" | "didNotAnswer" | "unreached" | "noConnection" | Unproven };

/** What is said when a call is over, by how far it got and who called. */
interface Notices {
  readonly open: Notice | undefined;
  readonly outgoing: Notice | undefined;
  readonly incoming: Notice | undefined;
}

const always = (notice: Notice): Notices => ({ open: notice, outgoing: notice, incoming: notice });

const NOTICES: Readonly<Record<CallEnd, Notices>> = {
  "hung-up": { open: { note: "noteHungUp" }, outgoing: { note: "noteCancelled" }, incoming: { note: "noteHungUp" } },
  left: { open: { note: "noteLeft" }, outgoing: { note: "noteLeft" }, incoming: { note: "noteCancelledByPeer" } },
  // The call that takes its place speaks for itself. The other side calls again only where it has lost the open one.
  superseded: { open: { note: "noteInterrupted" }, outgoing: undefined, incoming: undefined },
  // Nobody knows yet whose network it was.
  lost: always({ note: "noteInterrupted" }),
  gone: always({ note: "noteInterrupted" }),
  away: always({ note: "noteAway" }),
  unloaded: { open: undefined, outgoing: undefined, incoming: undefined },
  // Another call takes its place. That call says that the connection is back.
  rerouted: { open: undefined, outgoing: undefined, incoming: undefined },
  garbled: always({ note: "noteGarbled" }),
  "identity-changed": always({ note: "noteIdentityEnded" }),
  unavailable: always({ alert: "unavailable" }),
  undeliverable: always({ alert: "undeliverable" }),
  unreadable: always({ alert: "unreadable" }),
  busy: always({ alert: "busy" }),
  declined: always({ alert: "declined" }),
  "no-relay": always({ alert: "peerNoRelay" }),
  "no-answer": always({ alert: "didNotAnswer" }),
  unreached: always({ alert: "unreached" }),
  "no-connection": always({ alert: "noConnection" }),
  "missing-fingerprint": always({ alert: "missingFingerprint" }),
  "several-fingerprints": always({ alert: "severalFingerprints" }),
  "unreadable-fingerprint": always({ alert: "unreadableFingerprint" }),
  "other-certificate": always({ alert: "otherCertificate" }),
};

/** Returns what is said when a call is over. It is undefined if nothing is said. */
export function noticeOf(end: CallEnd, { wasOpen, outgoing }: { wasOpen: boolean; outgoing: boolean }): Notice | undefined {
  return NOTICES[end][wasOpen ? "open" : outgoing ? "outgoing" : "incoming"];
}

/** Says that no connection to somebody could be made, and what would help. @param relayed whether the service offers a relay */
export function noConnection(peer: string, relayOnly: boolean, relayed: boolean): Phrase {
  return phrase(!relayed ? "noConnection" : relayOnly ? "noConnectionByRelay" : "noConnectionOrRelay", peer);
}

/** Says why the service refused a login. The page has its own words for the codes that it knows. */
export function refusal(login: string, { code, message, reason }: { code: string; message: string; reason?: Phrase }): Phrase {
  const known = reason ?? tokenFault(code);
  if (known !== undefined) return known;
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

/** How many names are said. */
const MAX_NAMES = 5;

/** Says which files were not offered, and why; undefined: all were. @param limit the largest file that the other page takes, in bytes */
export function leftOut(
  { folders, unreadable, large, offered }: { folders: readonly string[]; unreadable: readonly string[]; large: readonly string[]; offered: number },
  peer: string,
  limit: number,
): Phrase | undefined {
  const names = (all: readonly string[]) => all.slice(0, MAX_NAMES).join(", ") + (all.length > MAX_NAMES ? ", …" : "");
  if (folders.length + unreadable.length + large.length === 0) return undefined;
  if (large.length === 1 && folders.length + unreadable.length + offered === 0) return phrase("fileTooLargeForPeer", large[0]!, peer, String(limit));
  return phrase("leftOut", names(folders), names(unreadable), names(large), peer, String(limit), offered === 0 ? "" : "offered");
}
