import { loginKey } from "../signaling/logins.js";

/** How long a request waits for the person, in ms. The caller gives up a little earlier. */
const REQUEST_TIMEOUT = 25_000;

/** Somebody who wants to connect. No connection has been made of the offer yet. */
export interface Request {
  readonly peer: string;
  readonly id: string;
}

/** Somebody's offer of a new call. */
export interface Offer extends Request {
  readonly sdp: string;
  /** The other is a client that does not number its calls. `id` is this page's then. */
  readonly bare: boolean;
  /** The frame as it came. */
  readonly text: string | undefined;
  /** The candidates that have come for it. */
  readonly candidates: RTCIceCandidateInit[];
}

/** The requests that wait for the person, one for each other login. */
export class Requests {
  /** By key of the other's login. */
  readonly #waiting = new Map<string, { offer: Offer; timer: ReturnType<typeof setTimeout> }>();

  /** @param settled a request no longer waits: it was accepted, declined or given up */
  constructor(private readonly settled: (request: Request) => void) {}

  /** All of them, oldest first. */
  get all(): readonly Request[] {
    return [...this.#waiting.values()].map(({ offer }) => offer);
  }

  /** The request of somebody. */
  with(peer: string): Offer | undefined {
    return this.#waiting.get(loginKey(peer))?.offer;
  }

  /** Adds a request. It takes the place of one that the same login has made before. */
  add(offer: Offer): void {
    const key = loginKey(offer.peer);
    clearTimeout(this.#waiting.get(key)?.timer);
    this.#waiting.set(key, { offer, timer: setTimeout(() => this.settle(offer), REQUEST_TIMEOUT) });
  }

  /** Takes a request from those that wait. undefined: it is none of them. */
  settle({ peer, id }: Request): Offer | undefined {
    const key = loginKey(peer);
    const waiting = this.#waiting.get(key);
    if (waiting?.offer.id !== id) return undefined;
    clearTimeout(waiting.timer);
    this.#waiting.delete(key);
    this.settled(waiting.offer);
    return waiting.offer;
  }
}
