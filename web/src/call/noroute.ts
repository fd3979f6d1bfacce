/** How long after the other side's description its candidates may take, in ms. Firefox waits a little longer for them. */
const TRICKLE_WITHIN = 4_000;

/**
 * Finds out whether there is no route between the two sides. Chromium says "failed" as soon as no pair is left of the candidates that have come
 * so far: a relay may refuse the first of them at once. So what comes a little later counts too.
 */
export class NoRoute {
  #described = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param found there is none */
  constructor(private readonly connection: RTCPeerConnection, private readonly found: () => void) {}

  /** The other side's description is set. Its candidates follow. */
  described(): void {
    this.#described = performance.now();
  }

  /** The connection says that it has failed. */
  failed(): void {
    clearTimeout(this.#timer);
    if (this.connection.connectionState !== "failed") return;
    const wait = this.#described + TRICKLE_WITHIN - performance.now();
    if (wait > 0) this.#timer = setTimeout(() => this.failed(), wait);
    else this.found();
  }

  /** The call is over. */
  stop(): void {
    clearTimeout(this.#timer);
  }
}
