import { type Phrase, phrase } from "../words.js";

/** The code with which the service closes the connection of a client that was refused too often. */
export const REFUSED = 1008;
/** The code for a session whose token has ended. */
export const TOKEN_ENDED = 4002;
/** The code for a session that another connection has taken over. */
export const TAKEN_OVER = 4100;
/** The code with which a service that is full closes connections. */
const FULL = 1013;
/** While somebody waits for the service, the longest wait before the next attempt to connect, in ms. */
const URGENT_RETRY = 2_000;
/** The shortest wait before this page connects again, even if the service asks for a shorter one, in ms. */
const MIN_RETRY = 250;

/** The wait that the service asks for in a close reason (`retry=2300`), in ms. It is an hour at most. */
export function retryAfter(reason: string): number | undefined {
  const match = /^retry=(\d{1,7})$/u.exec(reason);
  return match === null ? undefined : Math.min(Math.max(Number(match[1]), MIN_RETRY), 3_600_000);
}

/** The longest wait after a close code, in ms. A service that is full is not hurried. @param urgent whether somebody waits for the service */
export function retryWithin(code: number, urgent: boolean): number | undefined {
  return urgent && code !== FULL ? URGENT_RETRY : undefined;
}

/** The reason with which the service closes a connection whose message stays unfinished (messages/PROTOCOL.md, "Close codes"). */
const UNFINISHED = "a message begun and not finished";
/** The reason with which it closes a connection on which nobody has logged in. */
const NO_LOGIN = "no login came in time";

/** Why a client must not connect again by itself after a close code; undefined: it should. @param wants whether it wants to log in */
export function stopReason(code: number, reason = "", wants = false): Phrase | undefined {
  switch (code) {
    case 1000:
      return phrase("stopEnded");
    case 1002:
    case 1003:
    case 1007:
    case 1009:
      return phrase("stopMisunderstood");
    case REFUSED:
      // The network was probably away in the middle of a message, or the login is still refused.
      if (reason === UNFINISHED || (wants && reason === NO_LOGIN)) return undefined;
      return phrase(reason === NO_LOGIN ? "stopEnded" : "stopRefused");
    case TOKEN_ENDED:
      return phrase("tokenEnded");
    case TAKEN_OVER:
      return phrase("stopTakenOver");
    default:
      // Later versions of the service may use these codes.
      return code >= 4101 && code <= 4199 ? phrase("stopForGood") : undefined;
  }
}
