import type { PeerFrame } from "../signaling/frames.js";
import { loginKey } from "../signaling/logins.js";
import type { Call } from "./call.js";

/** The frame of an offer. */
export type OfferFrame = PeerFrame & { type: "offer" };

/**
 * New offers of somebody with whom a call is open. A page that calls again has given up the open call. But only the service says that
 * the offer comes from that page, so the page at the other end of the open call is probed. If it replies, it has not given up the call,
 * and the offer is refused.
 */
export class DoubtedOffers {
  /** The newest offer of each other login, by its key. */
  readonly #offers = new Map<string, OfferFrame>();

  /** @param settled the probe is over. `gone`: the page at the other end of the call did not reply, or the call has ended meanwhile */
  constructor(private readonly settled: (call: Call, offer: OfferFrame, gone: boolean) => void) {}

  /** Probes the page at the other end of `call`. If an older offer is in doubt, it is refused. The new one waits for the same probe. */
  add(call: Call, offer: OfferFrame): void {
    const key = loginKey(offer.from);
    const before = this.#offers.get(key);
    this.#offers.set(key, offer);
    if (before !== undefined) return this.settled(call, before, false);
    void call.probe().then((there) => {
      const newest = this.#offers.get(key);
      if (newest === undefined) return;
      this.#offers.delete(key);
      this.settled(call, newest, !there || call.phase !== "open");
    });
  }

  /** Whether any offer is in doubt. */
  get any(): boolean {
    return this.#offers.size > 0;
  }

  /** Whether an offer of somebody is in doubt. */
  has(peer: string): boolean {
    return this.#offers.has(loginKey(peer));
  }

  /** Somebody has taken back the offer of the call `id`. */
  withdraw(peer: string, id: string | undefined): void {
    const key = loginKey(peer);
    if (this.#offers.get(key)?.call === id) this.#offers.delete(key);
  }

  /** Forgets all of them. */
  clear(): void {
    this.#offers.clear();
  }
}
