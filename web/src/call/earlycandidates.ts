import { loginKey } from "../signaling/logins.js";
import { Newest } from "./newest.js";

/** Most calls for which candidates are kept. So many requests may wait for the person (calllimits.ts): 8 of people who are known, and 8 of strangers. */
const MAX_CALLS = 16;
/** Most candidates that are kept for each of them. */
const MAX_CANDIDATES = 64;

/** Candidates that came before a call was made of their offer, or even before the offer. A client that does not number its calls has one at a time. */
export class EarlyCandidates {
  readonly #calls = new Newest<RTCIceCandidateInit[]>(MAX_CALLS);

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
