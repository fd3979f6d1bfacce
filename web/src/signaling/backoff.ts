/**
 * Waits between attempts: an exponential back-off with full jitter. Each wait is a random time between 0 and the
 * current bound. After a restart of the service, its clients do not all come back at the same moment.
 */
export class Backoff {
  #attempts = 0;

  /**
   * @param base the first bound, in ms
   * @param cap the largest bound, in ms
   * @param random returns a number in [0, 1)
   */
  constructor(
    private readonly base = 500,
    private readonly cap = 30_000,
    private readonly random: () => number = Math.random,
  ) {}

  /** The next wait, in ms. @param cap the largest bound this time, in ms */
  next(cap = this.cap): number {
    const bound = Math.min(this.cap, this.base * 2 ** this.#attempts);
    if (bound < this.cap) this.#attempts++;
    return Math.round(this.random() * Math.min(bound, cap));
  }

  /** Starts again from the first bound. */
  reset(): void {
    this.#attempts = 0;
  }
}
