/** Time between two heartbeats, in ms. */
const HEARTBEAT = 2_500;
/** This many heartbeats in a row without a sign of life mean that the connection may be in trouble. */
const MISSED_AT_FIRST = 2;
/** This many mean that the other page is gone. */
const MISSED_HEARTBEATS = 3;
/** A heartbeat that is later than this shows that this page was asleep. What came meanwhile waits unread. In ms. */
const ASLEEP = 2_000;
/** This many mean that the other page hangs for good, although its browser still responds on the network. */
const MISSED_WHILE_BUSY = 16;

export interface HeartbeatOptions {
  /** Sends a ping. The other page replies with a pong. */
  ping: () => void;
  /** The bytes that wait in the send buffer. */
  buffered: () => number;
  /** Counts what the other browser has sent, below the pages. It rises as long as that browser lives. */
  pulse: () => Promise<number>;
  /** A sign of life is late. That may be nothing. */
  late: () => void;
  /** No sign of life has come for a while. @param gone the silence has lasted so long that the other page must be gone */
  silent: (gone: boolean) => void;
  /** A sign of life has come after a silence. */
  alive: () => void;
}

/** Watches whether the other page is there, from the moment that the channel opens until `stop`. */
export class Heartbeat {
  readonly #timer = setInterval(() => void this.#beat(), HEARTBEAT);
  #stopped = false;
  /** Whether a sign of life has come since the last heartbeat. */
  #alive = false;
  /** Heartbeats in a row without a sign of life. */
  #missed = 0;
  #beatAt = performance.now();
  /** The send buffer and the pulse at the last heartbeat. */
  #buffered = 0;
  #pulse = 0;
  /** Probes that wait for a pong. */
  readonly #probes: ((there: boolean) => void)[] = [];

  constructor(private readonly options: HeartbeatOptions) {}

  /** Something has come from the other page. */
  signOfLife(): void {
    this.#alive = true;
    if (this.#missed < MISSED_AT_FIRST) return;
    this.#missed = 0;
    this.options.alive();
  }

  /** The connection works again: the heartbeats that were missed before say nothing about now. */
  reconnected(): void {
    this.#missed = 0;
  }

  /** Asks the other page whether it is there. Resolves with whether it replied in time. @param within in ms */
  probe(within: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), within);
      this.#probes.push((there) => {
        clearTimeout(timer);
        resolve(there);
      });
      this.options.ping();
    });
  }

  /** The other page has replied to a ping. */
  pong(): void {
    for (const resolve of this.#probes.splice(0)) resolve(true);
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  async #beat(): Promise<void> {
    // A send buffer that drains is a sign of life too: on a slow line a ping waits behind a long text.
    const buffered = this.options.buffered();
    const draining = buffered < this.#buffered;
    this.#buffered = buffered;
    const now = performance.now();
    const asleep = now - this.#beatAt > HEARTBEAT + ASLEEP;
    this.#beatAt = now;
    this.#missed = this.#alive || draining || asleep ? 0 : this.#missed + 1;
    this.#alive = false;
    this.options.ping();

    // A page that is busy, with a very long text for instance, replies late. Its browser's network does not.
    const pulse = await this.options.pulse();
    const busy = pulse > this.#pulse;
    this.#pulse = pulse;
    if (this.#stopped) return;
    if (this.#missed >= (busy ? MISSED_WHILE_BUSY : MISSED_HEARTBEATS)) this.options.silent(true);
    else if (this.#missed >= MISSED_AT_FIRST && !busy) this.options.silent(false);
    else if (this.#missed > 0 && !busy) this.options.late();
  }
}
