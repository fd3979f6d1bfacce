/** Most calls of others that have not connected yet, and requests that wait for the person, at once. */
const MAX_INCOMING = 8;
/** Most calls at once with people whom this browser knows, and as many with strangers. A browser has room for some hundred connections. */
export const MAX_CALLS = 64;
/** Most calls of others that are taken within `TAKEN_WITHIN`. It stops somebody who calls again and again. */
const MAX_TAKEN = 32;
/** The time in which taken calls are counted, in ms. */
const TAKEN_WITHIN = 10_000;

/**
 * Limits what calls of others cost: each taken call makes an RTCPeerConnection. People whom this browser knows have limits of their own,
 * so that strangers cannot take their room.
 */
export class CallLimits {
  /** When calls were taken lately, in ms of `performance.now()`. */
  #taken: number[] = [];

  /**
   * Whether one more call of somebody may come in.
   * @param incoming the calls of others that have not connected yet, and the requests, with this one
   * @param calls all calls, with this one
   */
  allow(incoming: number, calls: number): boolean {
    const now = performance.now();
    this.#taken = this.#taken.filter((time) => now - time < TAKEN_WITHIN);
    return incoming <= MAX_INCOMING && calls <= MAX_CALLS && this.#taken.length < MAX_TAKEN;
  }

  /** A call of somebody is taken. */
  took(): void {
    this.#taken.push(performance.now());
  }
}
