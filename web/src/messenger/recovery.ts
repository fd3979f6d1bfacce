import { Backoff } from "../signaling/backoff.js";
import type { LiveConversation } from "./liveconversation.js";

/** How long after a loss this page tries to restore the call, in ms. */
const RESTORE_WITHIN = 180_000;
/** How long after a loss it may still turn out that this side's network was away, in ms. */
const NOTICED_WITHIN = 60_000;

/** What recovery needs of the page. */
export interface RecoveryHost {
  /** All conversations of the account. */
  conversations(): Iterable<LiveConversation>;
  /** Whether signaling frames can go out now: the service is ready, and the device has a network. */
  canSignal(): boolean;
  /** Calls the other of a conversation, unless there is a call with them already. */
  call(conversation: LiveConversation): void;
  /** Something has changed: look again. */
  changed(): void;
}

/**
 * Restores calls that were lost: calls the other again, until they are connected or it is too late. One side does that. It is the side
 * whose network was away, because the other side cannot know when that network is back.
 */
export class Recovery {
  readonly #backoff = new Backoff(1_000, 10_000);

  constructor(private readonly host: RecoveryHost) {}

  /** The call of a conversation was lost. @param here whether this side restores it */
  lost(conversation: LiveConversation, here: boolean): void {
    this.stop(conversation);
    if (here) this.#restore(conversation, Date.now() + RESTORE_WITHIN);
    else conversation.loss = { kind: "peer-restores", since: Date.now() };
  }

  /** A call of the conversation has opened. Returns whether this page was restoring one. */
  opened(conversation: LiveConversation): boolean {
    this.#backoff.reset();
    return this.stop(conversation);
  }

  /**
   * A call of the conversation has ended before it opened. If it was to restore a lost one, another attempt follows as long as there is
   * time. Returns whether it was.
   */
  failed(conversation: LiveConversation): boolean {
    const { loss } = conversation;
    if (loss?.kind !== "restoring") return false;
    if (Date.now() < loss.until) this.#restore(conversation, loss.until);
    else this.stop(conversation);
    return true;
  }

  /** This side's network is away, and may have been for a while. So this side restores the calls that were lost in the meantime. */
  networkAway(): void {
    for (const conversation of this.host.conversations()) {
      const { loss, call } = conversation;
      if (loss?.kind !== "peer-restores") continue;
      conversation.loss = undefined;
      if (Date.now() - loss.since < NOTICED_WITHIN && call === undefined) this.#restore(conversation, Date.now() + RESTORE_WITHIN);
    }
  }

  /** Calls can go out again. */
  resume(): void {
    for (const conversation of this.host.conversations()) {
      if (conversation.call === undefined) this.#attemptSoon(conversation);
    }
  }

  /** Does not restore the call of a conversation any more. Returns whether this page was restoring it. */
  stop(conversation: LiveConversation): boolean {
    const { loss } = conversation;
    conversation.loss = undefined;
    if (loss?.kind !== "restoring") return false;
    clearTimeout(loss.giveUp);
    clearTimeout(loss.attempt);
    return true;
  }

  /** Does not restore any call any more. */
  stopAll(): void {
    for (const conversation of this.host.conversations()) this.stop(conversation);
  }

  #restore(conversation: LiveConversation, until: number): void {
    this.stop(conversation);
    const giveUp = setTimeout(() => {
      if (conversation.call === undefined) this.#giveUp(conversation);
    }, until - Date.now());
    conversation.loss = { kind: "restoring", until, giveUp, attempt: undefined };
    this.#attemptSoon(conversation);
  }

  /** Calls after the back-off. If calls cannot go out, `resume` attempts it again. */
  #attemptSoon(conversation: LiveConversation): void {
    const { loss } = conversation;
    if (loss?.kind !== "restoring" || !this.host.canSignal()) return;
    clearTimeout(loss.attempt);
    loss.attempt = setTimeout(() => {
      // A device that was asleep runs this timer late.
      if (Date.now() >= loss.until) this.#giveUp(conversation);
      else if (this.host.canSignal()) this.host.call(conversation);
    }, this.#backoff.next());
  }

  #giveUp(conversation: LiveConversation): void {
    this.stop(conversation);
    this.host.changed();
  }
}
