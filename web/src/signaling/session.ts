import { type Fields, parseFields } from "./fields.js";
import { type LoginReply, count, resumeSecret } from "./frames.js";
import { freshId } from "./ids.js";

/** What the next page in this tab needs to take a session over. */
export interface KeptSession {
  /** Names the session among the pages of this browser. It is no secret. */
  readonly id: string;
  readonly login: string;
  /** The newest secret. */
  readonly secret: string;
  /** How many of the service's messages the next page would not miss. */
  readonly received: number;
}

/** After this many messages, or bytes, without a confirmation, the page confirms at once. */
const MAX_MESSAGES = 64;
const MAX_BYTES = 32 * 1024;
/** Fewer messages are confirmed after this long, in ms (messages/PROTOCOL.md, "Confirming"). */
const CONFIRM_AFTER = 5_000;

const UNCOUNTED: readonly unknown[] = ["login", "ping", "pong", "presence"];

/** Whether a message counts (messages/PROTOCOL.md, "Counting"). @param fields undefined: it is no JSON object */
export function counts(fields: Fields | undefined): boolean {
  return !UNCOUNTED.includes(fields?.["type"]);
}

/** Reads what `JSON.stringify` has made of `Session.kept`. Returns undefined if it is anything else. */
export function readSession(text: string | undefined): KeptSession | undefined {
  const { id, login, ...fields } = parseFields(text) ?? {};
  const [secret, received] = [resumeSecret(fields["secret"]), count(fields["received"])];
  if (typeof id !== "string" || typeof login !== "string" || secret === undefined || received === undefined) return undefined;
  return { id, login, secret, received };
}

/**
 * A session that the service keeps over dropped connections (messages/PROTOCOL.md, "Keeping a session"): its
 * secret, what of it has been sent and received, and the own messages that the service has not confirmed.
 */
export class Session {
  /** Whether the service keeps it. A page that begins a session does not know that before the reply. */
  on: boolean;
  readonly id: string;
  readonly login: string;
  /** The token that proves the login (messages/PROTOCOL.md, "Identity"). */
  token: string | undefined;
  #secret: string;
  /** How many of the service's messages this page has acted on. */
  #received: number;
  /** How many of the messages that it has acted on this page would not miss after a reload. */
  #settled: number;
  /** How many of the service's messages this page has confirmed. */
  #confirmed = 0;
  /** The bytes of the messages that it would miss. */
  #unsettled = 0;
  /** How many of the next messages are repeats. */
  #again = 0;
  /** How many of this page's messages the service has confirmed. It is undefined if this page has lost count. */
  #base: number | undefined;
  /** This page's messages that the service has not confirmed, oldest first. */
  #unconfirmed: string[] = [];
  /** What has come and gone since the last confirmation. */
  #since = { sent: 0, messages: 0, bytes: 0 };

  /** @param kept what the page before has kept; undefined: the session begins */
  constructor(login: string, kept?: KeptSession) {
    this.login = login;
    this.on = kept !== undefined;
    this.id = kept?.id ?? freshId();
    this.#secret = kept?.secret ?? freshId() + freshId();
    this.#received = this.#settled = kept?.received ?? 0;
  }

  /** What the next page needs. */
  get kept(): KeptSession {
    return { id: this.id, login: this.login, secret: this.#secret, received: this.#settled };
  }

  /** The `login` message that asks for the session. */
  ask(): object {
    this.#confirmed = this.#settled;
    const { login, token } = this;
    return { type: "login", login, ...(token !== undefined && { token }), keep: true, resume: this.#secret, received: this.#settled };
  }

  /**
   * The service has accepted that login.
   * @returns what must be sent again before anything else; undefined: nobody knows what has arrived, or it is a new session
   */
  accepted({ resume, resumed, received: arrived }: LoginReply): readonly string[] | undefined {
    const known = this.#base ?? arrived;
    const late = (arrived ?? -1) - (known ?? 0);
    const whole = resumed && late >= 0 && late <= this.#unconfirmed.length;
    this.on = resume !== undefined;
    this.#secret = resume ?? this.#secret;
    this.#again = resumed ? this.#received - this.#confirmed : 0;
    if (!resumed) this.#received = this.#settled = this.#confirmed = this.#unsettled = 0;
    this.#unconfirmed = whole ? this.#unconfirmed.slice(late) : [];
    this.#base = resumed ? arrived : 0;
    return whole ? this.#unconfirmed : undefined;
  }

  /** This page sends a message that counts, now or as soon as it has the session again. */
  sent(text: string): void {
    this.#unconfirmed.push(text);
    this.#since.sent++;
    this.#moved(text);
  }

  /** A message that counts has come. Returns whether this page has not acted on it yet. */
  isNew(): boolean {
    if (this.#again === 0) return true;
    this.#again--;
    return false;
  }

  /** This page has acted on a message that counts. */
  acted(text: string): void {
    this.#received++;
    this.#unsettled += this.#moved(text);
    // What the service keeps for this page is bounded.
    if (this.#received - this.#settled >= MAX_MESSAGES || this.#unsettled >= MAX_BYTES) this.settle();
  }

  /** This page would not miss anything that has come so far. Returns whether that is news. */
  settle(): boolean {
    const news = this.#settled !== this.#received;
    this.#settled = this.#received;
    this.#unsettled = 0;
    return news;
  }

  /** In how many ms this page must confirm what it has. It is undefined if there is nothing to confirm. */
  get due(): number | undefined {
    const { sent, messages, bytes } = this.#since;
    if (messages >= MAX_MESSAGES || bytes >= MAX_BYTES) return 0;
    return sent > 0 || this.#settled !== this.#confirmed ? CONFIRM_AFTER : undefined;
  }

  /** What a `ping` confirms now. */
  confirm(): number {
    this.#since = { sent: 0, messages: 0, bytes: 0 };
    return (this.#confirmed = this.#settled);
  }

  /** The service has acted on so many messages of this page. */
  confirmed(arrived: number): void {
    const gone = arrived - (this.#base ?? 0);
    if (gone <= 0 || gone > this.#unconfirmed.length) return;
    this.#unconfirmed.splice(0, gone);
    this.#base = arrived;
  }

  /** Returns how long the message is, in bytes. */
  #moved(text: string): number {
    const bytes = new TextEncoder().encode(text).length;
    this.#since.messages++;
    this.#since.bytes += bytes;
    return bytes;
  }
}
