import { loginKey } from "../signaling/logins.js";
import { Newest } from "./newest.js";

/** Most calls for which candidates are kept: a bound against a peer that sends only candidates. */
const MAX_EARLY = 16;
/** Most candidates that are kept for a call, or for an offer that waits. */
export const MAX_CANDIDATES = 64;

/**
 * Candidates whose offer has yet to come, is in doubt, or waits for the device. Anybody may make such candidates up, and those of one call
 * push out those of another. A client that does not number its calls has one at a time.
 */
export class EarlyCandidates {
  readonly #calls = new Newest<RTCIceCandidateInit[]>(MAX_EARLY);

  add(from: string, call: string | undefined, candidate: RTCIceCandidateInit): void {
    const key = keyOf(from, call);
    const waiting = this.#calls.get(key);
    if (waiting === undefined) this.#calls.set(key, [candidate]);
    else if (waiting.length < MAX_CANDIDATES) waiting.push(candidate);
  }

  /** Returns the candidates of a call, in their order, and forgets them. */
  take(from: string, call: string | undefined): RTCIceCandidateInit[] {
    return this.#calls.take(keyOf(from, call)) ?? [];
  }
}

function keyOf(from: string, call: string | undefined): string {
  return JSON.stringify([loginKey(from), call ?? ""]);
}
