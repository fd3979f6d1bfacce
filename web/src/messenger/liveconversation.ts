import type { Call } from "../call/call.js";
import { Conversation, type Entry, type KeptConversation } from "../conversation/conversation.js";
import type { Transfers } from "../files/transfers.js";
import type { Trust } from "../identity/trust.js";
import type { Backoff } from "../signaling/backoff.js";

/** How long "is typing" holds unless the other page repeats it, in ms. */
const TYPING_LASTS = 6_000;

/** Where the connection of a conversation stands. */
export type ConversationPhase =
  | "off"
  /** The other person has called and waits to be accepted. */
  | "asking"
  | "calling"
  | "connecting"
  | "open"
  /** The connection of an open call is restarted, or a lost call is restored. The person sees no difference. */
  | "reconnecting";

type Timer = ReturnType<typeof setTimeout>;

/** A call that was lost and is being restored. */
export interface Loss {
  /** The id of the call. */
  readonly call: string;
  /** The fingerprint of its other end. */
  readonly peer: string | undefined;
  /** Whether the other end is a client without framing. It may show another certificate in each call. */
  readonly bare: boolean;
  /** When it was lost, in ms of `performance.now()`. */
  readonly began: number;
  /** Whether this page was without the service at the loss, or has been since. */
  away: boolean;
  /** Whether the other page is gone: the service said soon that nobody has its login any more. */
  gone: boolean;
  /** Whether the other page has said that it is being closed or loaded again. */
  readonly closed: boolean;
  /** When this page stops trying, in ms of `performance.now()`. */
  until: number;
  giveUp: Timer | undefined;
  /** The waits between attempts. */
  readonly backoff: Backoff;
  attempt: Timer | undefined;
}

/** What a conversation needs of the page. */
export interface ConversationHost {
  /** Whether the login with this key (signaling/logins.ts) has called and waits to be accepted. */
  asks(key: string): boolean;
  /** Something has changed: look again. */
  changed(): void;
}

/** A conversation in this page. Besides what is remembered, it has its call and what is known of the other end now. */
export class LiveConversation extends Conversation {
  /** Whether the other login is online. It is undefined if the service does not say. */
  online: boolean | undefined;
  /** The call that was lost. It is undefined unless the call is being restored. */
  loss: Loss | undefined;
  /** The files between the two. They are made when somebody asks for them (account.ts). */
  transfers: Transfers | undefined;
  #current: { readonly call: Call; trust: Trust | undefined } | undefined;
  /** All calls of this conversation. Receipts still arrive on one that is over. */
  readonly #calls = new WeakSet<Call>();
  /** When the last call of the two began, in ms of `performance.now()`. */
  began = 0;
  #typing: Timer | undefined;
  #readDue: Timer | undefined;

  constructor(
    private readonly host: ConversationHost,
    peer: string,
    instance: string,
    kept?: KeptConversation,
    entries?: Entry[],
  ) {
    super(peer, instance, kept, entries);
  }

  /** The call that is on or being set up. */
  get call(): Call | undefined {
    return this.#current?.call;
  }

  /** Who the other end of the open call proves to be. It is undefined until that is known, and without an open call. */
  get trust(): Trust | undefined {
    return this.#current?.trust;
  }

  /** Whether a lost call is being restored. */
  get restoring(): boolean {
    return this.loss !== undefined;
  }

  get phase(): ConversationPhase {
    const { call } = this;
    const open = call?.phase === "open";
    if (this.restoring && !open) return "reconnecting";
    if (call === undefined || call.phase === "over") return this.host.asks(this.key) ? "asking" : "off";
    return open && call.reconnecting ? "reconnecting" : call.phase;
  }

  /** Whether the other person is typing. */
  get typing(): boolean {
    return this.#typing !== undefined;
  }

  /** A call of the two begins. It belongs to this conversation from now on. */
  begin(call: Call): void {
    this.#calls.add(call);
    this.#current = { call, trust: undefined };
    this.began = performance.now();
  }

  /** Whether a call belongs to this conversation, also when it is over. */
  has(call: Call): boolean {
    return this.#calls.has(call);
  }

  /** It is known who the other end of `call` is. Returns false if the call is not the current one any more. */
  recognised(call: Call, trust: Trust): boolean {
    if (this.#current?.call !== call) return false;
    this.#current.trust = trust;
    return true;
  }

  /** A call of the two is over. */
  ended(call: Call): void {
    if (this.#current?.call === call) this.#current = undefined;
    this.peerTypes(false);
  }

  /** The other person types, or has stopped. */
  peerTypes(typing: boolean): void {
    const before = this.typing;
    clearTimeout(this.#typing);
    this.#typing = typing ? setTimeout(() => this.peerTypes(false), TYPING_LASTS) : undefined;
    if (typing !== before) this.host.changed();
  }

  /** Tells the other page that the person has seen all its texts. After a burst of texts it tells so once. */
  markReadSoon(): void {
    this.#readDue ??= setTimeout(() => {
      this.#readDue = undefined;
      this.call?.markRead();
    });
  }
}
