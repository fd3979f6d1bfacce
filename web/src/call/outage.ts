/** How often an outage is looked at, in ms. */
const LOOK = 500;
/** How long the other side may take to respond to the restart, while signaling frames can go out, in ms. */
const RESPONSE_TIMEOUT = 3_500;
/** How long the restart may take from the response on, with all further attempts, in ms. */
const RESTART_TIMEOUT = 20_000;
/** How long an outage may take without a response, in ms. */
const OUTAGE_TIMEOUT = 60_000;
/** If the service came back this short a time before the outage, this side's network was away: browsers notice late. In ms. */
const AWAY_BEFORE = 15_000;
/** A look that is later than this shows that the page was asleep. What came meanwhile waits unread. In ms. */
const ASLEEP = 2_000;

export interface OutageOptions {
  /** When the service last became ready again, in ms of `performance.now()`. */
  serviceBack: () => number;
  /** Whether signaling frames can go out now. */
  canSignal: () => boolean;
  /** Whether there is a doubt that they arrive. */
  doubted: () => boolean;
  /** Signaling frames cannot go out: the restart must wait until they can. */
  postponed: () => void;
  /** The outage has lasted too long. */
  givenUp: () => void;
}

/** Whether this side's network is away, or the service came back less than `before` ms before `moment`, in ms of `performance.now()`. */
export function networkAway(side: Pick<OutageOptions, "serviceBack" | "canSignal" | "doubted">, moment: number, before: number): boolean {
  return !side.canSignal() || side.doubted() || moment - side.serviceBack() < before;
}

/** An outage of an open call: its connection is in trouble and being restarted, from the first sign of that until `stop`. */
export class Outage {
  #began = performance.now();
  #deadline = this.#began + RESPONSE_TIMEOUT;
  #looked = this.#began;
  /** undefined once the outage is over. */
  #timer: ReturnType<typeof setInterval> | undefined = setInterval(() => this.#look(), LOOK);
  /** Whether the other side has responded to the restart, with an answer or an offer of its own. */
  #responded = false;

  constructor(private readonly options: OutageOptions) {}

  /** Whether it lasts. */
  get on(): boolean {
    return this.#timer !== undefined;
  }

  /** Whether the other side has responded to the restart. */
  get responded(): boolean {
    return this.#responded;
  }

  /** Whether this side's network may have been away during the outage, or just before. */
  get away(): boolean {
    return networkAway(this.options, this.#began, AWAY_BEFORE);
  }

  /** Whether it must be the other side that is away: it could have responded and did not, and this side was not away. */
  get peerSilent(): boolean {
    return !this.#responded && !this.away;
  }

  /** The other side has responded to the restart, so it is there. From the first response on the restart gets its full time. */
  respond(): void {
    if (this.#responded) return;
    this.#responded = true;
    this.#deadline = performance.now() + RESTART_TIMEOUT;
  }

  /** The outage is over: the connection works again, or the call has ended. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const now = performance.now();
    const slept = now - this.#looked - LOOK;
    this.#looked = now;
    if (slept > ASLEEP) {
      this.#began += slept;
      this.#deadline += slept;
    }
    if (!this.options.canSignal()) {
      // The other side cannot respond now.
      this.#responded = false;
      this.#deadline = now + RESPONSE_TIMEOUT;
      this.options.postponed();
    } else if (this.options.doubted() && !this.#responded) this.#deadline = now + RESPONSE_TIMEOUT;
    if (now >= this.#deadline || (!this.#responded && now - this.#began >= OUTAGE_TIMEOUT)) this.options.givenUp();
  }
}
