import type { ServiceError } from "./frames.js";
import { loginKey } from "./logins.js";

/** How many logins may be watched (messages/PROTOCOL.md, "Presence"). */
const MAX_WATCHED = 256;
/** How long the logins that are watched may be together, in bytes. A message of more than 64 KiB would end the connection. */
const MAX_WATCHED_BYTES = 32 * 1024;

/** The characters that no message may have in it (I-JSON, RFC 7493, section 2.1). */
const IN_NO_MESSAGE = /[\p{Cs}\p{Noncharacter_Code_Point}]/u;

/** The logins whose presence is watched, and what the service was asked of them in its session. */
export class Watch {
  #logins: readonly string[] = [];
  #asked: readonly string[] | undefined;
  /** How many `watch` frames have no answer yet, and whether the service knows no presence. */
  #unanswered = 0;
  #unknown = false;
  #scheduled = false;

  /** @param due the service is to be asked now, if the page is logged in */
  constructor(private readonly due: () => void) {}

  /** Sets the logins, the most important first. A login with characters that no message may have is left out: nobody can have it. */
  set(logins: readonly string[]): void {
    const bytes = new TextEncoder();
    let room = MAX_WATCHED_BYTES;
    const first = logins.slice(0, MAX_WATCHED).filter((login) => !IN_NO_MESSAGE.test(login) && (room -= bytes.encode(JSON.stringify(login)).length) >= 0);
    const keys = (all: readonly string[]) => JSON.stringify(all.map(loginKey).sort());
    if (keys(first) === keys(this.#logins)) return;
    this.#logins = first;
    this.askSoon();
  }

  /** Has the service asked in a microtask. Several changes are one frame then. */
  askSoon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.due();
    });
  }

  /** A new session begins. */
  begin(): void {
    this.#asked = undefined;
    this.#unanswered = 0;
    this.#unknown = false;
  }

  /** Returns the logins that the service is asked for now. It is undefined if it need not be asked. */
  ask(): readonly string[] | undefined {
    const logins = this.#logins;
    if (this.#unknown || this.#asked === logins || (logins.length === 0 && this.#asked === undefined)) return undefined;
    this.#unanswered++;
    return (this.#asked = logins);
  }

  /** The service has answered. Returns whether it was asked. */
  answered(): boolean {
    this.#unanswered = 0; // The service knows presence, so that no error will come.
    return this.#asked !== undefined && !this.#unknown;
  }

  /** Whether an error says that the service knows no presence. */
  refused({ code, to }: ServiceError): boolean {
    if (code !== "unknown-type" || to !== undefined || this.#unanswered === 0) return false;
    this.#unanswered--;
    return (this.#unknown = true);
  }
}
