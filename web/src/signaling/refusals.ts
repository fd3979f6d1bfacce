import { Backoff } from "./backoff.js";

/** How long the service may hold a login for an earlier connection of this page before a person hears of it, in ms. */
const LOGIN_HELD = 8_000;
/** While somebody waits for the service, the login is asked for again after this long at most, in ms. */
const URGENT_LOGIN = 1_000;
/** How many times in a row the login is asked for so soon. After twenty refusals in a row the service ends the connection, and the page would stop (messages/PROTOCOL.md, "Framing"). */
const URGENT_LOGINS = 10;

/** The page leaves a connection after so many refusals. */
const LEAVE_AFTER = 19;

/** The refusals of a login in a row, and when it is asked for again. */
export class Refusals {
  /** How many refusals there were on this connection. */
  #count = 0;
  /** Since when the login is refused, in ms of `performance.now()`. */
  #since = Infinity;
  readonly #backoff = new Backoff(1_000, 30_000);

  /** There is another connection. Unless this page has left the one before, the service may hold the login for that. */
  connected(): void {
    if (this.#count < LEAVE_AFTER) this.#since = Infinity;
    this.#count = 0;
  }

  /** The login was accepted. */
  none(): void {
    this.#count = 0;
    this.#backoff.reset();
  }

  /**
   * The login was refused.
   * @param urgent whether somebody waits for the service
   * @returns when to ask again, in ms, whether the service may hold the login for a connection that it believes alive, and whether to ask
   * on another connection
   */
  add(code: string, urgent: boolean): { wait: number; held: boolean; leave: boolean } {
    this.#since = Math.min(this.#since, performance.now());
    const held = code === "login-taken" && performance.now() - this.#since < LOGIN_HELD;
    // Without its login nobody can call this page.
    const soon = this.#count++ < URGENT_LOGINS && (held || urgent);
    return { wait: 1_000 + this.#backoff.next(soon ? URGENT_LOGIN : undefined), held, leave: this.#count === LEAVE_AFTER };
  }
}
