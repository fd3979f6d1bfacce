/**
 * Waiting times between attempts: exponential, with full jitter (any time between nothing and the current
 * bound), so that the clients of a service that restarts do not all come back in the same moment.
 */
export class Backoff {
  #attempts = 0;

  /**
   * @param base bound of the first wait, in ms
   * @param cap largest bound, in ms
   * @param random a number in [0, 1)
   */
  constructor(
    private readonly base = 500,
    private readonly cap = 30_000,
    private readonly random: () => number = Math.random,
  ) {}

  /** The next wait in ms. */
  next(): number {
    const bound = Math.min(this.cap, this.base * 2 ** this.#attempts);
    if (bound < this.cap) this.#attempts++;
    return Math.round(this.random() * bound);
  }

  /** Starts again from the shortest wait. */
  reset(): void {
    this.#attempts = 0;
  }
}
