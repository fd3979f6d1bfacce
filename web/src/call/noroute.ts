/** How long after the other side's description its candidates may take, in ms. Firefox waits a little longer for them. */
const TRICKLE_WITHIN = 4_000;

/**
 * Decides when a connection that has failed has no route. Chromium says "failed" as soon as no pair is left of the candidates that have come so
 * far: a relay may refuse the first of them at once. So what comes a little later counts too.
 */
export class NoRoute {
  #described = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param found called when there is none, with when the connection has failed, in ms of `performance.now()` */
  constructor(private readonly connection: RTCPeerConnection, private readonly found: (failed: number) => void) {}

  /** The other side's description is set. Its candidates follow. A connection that had failed stays so until there is a pair. */
  described(): void {
    this.#described = performance.now();
    this.failed();
  }

  /** The connection may have failed. */
  failed(): void {
    this.#wait(performance.now());
  }

  #wait(failed: number): void {
    this.stop();
    if (this.connection.connectionState !== "failed") return;
    const left = this.#described + TRICKLE_WITHIN - performance.now();
    if (left > 0) this.#timer = setTimeout(() => this.#wait(failed), left);
    else this.found(failed);
  }

  /** The connection is up, is restarted, or the call is over. */
  stop(): void {
    clearTimeout(this.#timer);
  }
}
