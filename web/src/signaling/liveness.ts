/** After this long without a word from the service, the page asks for a sign of life. Browsers do not report a dead connection. In ms. */
const QUIET = 20_000;
/** The same after a frame that the service, or another client, answers. In ms. */
const UNANSWERED = 2_000;
/** How long the service may take to answer once it was asked for a sign of life, in ms. */
const ANSWER_TIMEOUT = 5_000;
/** How long it may take where there was a reason to doubt the connection, in ms. */
const DOUBT_TIMEOUT = 3_000;
/** A timer that is later than this shows that the page was asleep, so that an answer may wait unread. In ms. */
const ASLEEP = 1_500;

export interface LivenessOptions {
  /** Sends something that the service always answers. */
  ping: () => void;
  /** Whether the page asks by itself when it hears nothing. Otherwise it asks only where `ask` says so. */
  byItself: () => boolean;
  /** A doubt is over: the service has answered. */
  answered: () => void;
  /** The service has not answered. Called at most once. */
  dead: () => void;
}

/** Watches whether one connection to the service still carries anything, from the moment that it is open until `stop`. */
export class Liveness {
  /** Whether the page has a reason to doubt the connection, and no answer since. */
  doubted = false;
  #asked = false;
  /** When the timer is due, in ms of `performance.now()`. */
  #due = Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: LivenessOptions) {
    this.#wait(QUIET);
  }

  /** Something has come from the service. */
  heard(): void {
    this.#asked = false;
    this.#wait(QUIET);
    if (!this.doubted) return;
    this.doubted = false;
    this.options.answered();
  }

  /** Something was sent that will be answered. */
  expect(): void {
    if (!this.#asked && this.#due > performance.now() + UNANSWERED) this.#wait(UNANSWERED);
  }

  /** There is a reason to doubt the connection: asks for a sign of life at once. */
  ask(): void {
    this.doubted = true;
    if (!this.#asked) this.#ask();
    else if (this.#due > performance.now() + DOUBT_TIMEOUT) this.#wait(DOUBT_TIMEOUT);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #ask(): void {
    this.#asked = true;
    this.#wait(this.doubted ? DOUBT_TIMEOUT : ANSWER_TIMEOUT);
    this.options.ping();
  }

  #wait(ms: number): void {
    clearTimeout(this.#timer);
    this.#due = Infinity;
    if (!this.#asked && !this.options.byItself()) return;
    this.#due = performance.now() + ms;
    this.#timer = setTimeout(() => {
      const late = performance.now() - this.#due;
      if (this.#asked && late < ASLEEP) this.options.dead();
      else this.#ask();
    }, ms);
  }
}
