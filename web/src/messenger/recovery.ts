import type { Call } from "../call/call.js";
import type { CallEnd } from "../call/ends.js";
import type { Fingerprints } from "../identity/fingerprints.js";
import { Backoff } from "../signaling/backoff.js";
import type { LiveConversation, Loss } from "./liveconversation.js";

/** How long after a loss this page tries to restore the call, in ms. */
const RESTORE_WITHIN = 180_000;
/** The same where the service said at once that nobody has the other's login any more: its page is gone, or between two connections. In ms. */
const RETURN_WITHIN = 20_000;
/**
 * A login that is free so soon after the loss was given up by its page, or by the browser that closed it: the service holds that of a dead
 * connection for a minute (messages/PROTOCOL.md, "Close codes"). In ms.
 */
const CLOSED_WITHIN = 40_000;
/** How long after its window a page that was closed or loaded again may still be expected, in ms: the service notices late. */
const AFTER_WINDOW = 10_000;
/** The first bound of the wait before an attempt, and the largest one, in ms. The other side attempts it at the same time. */
const WAITS = [1_000, 5_000] as const;

/**
 * How a call was lost. `gone`: the service says that nobody has the other's login any more. `closed`: the other page is being closed or
 * loaded again.
 */
type LostHow = "lost" | "gone" | "closed";

/** The ends of an open call after which it is restored. */
export const LOST_BY: Readonly<Partial<Record<CallEnd, LostHow>>> = {
  lost: "lost",
  rerouted: "lost",
  superseded: "lost",
  unloaded: "lost",
  gone: "gone",
  away: "closed",
};

/** What is known of a call that was lost. */
interface LostCall extends Pick<Call, "id" | "bare"> {
  fingerprints: Pick<Fingerprints, "peer"> | undefined;
}

/** What recovery needs of the page. */
export interface RecoveryHost {
  /** All conversations of the account. */
  conversations(): Iterable<LiveConversation>;
  /** Whether signaling frames can go out now. If not, `resume` is called once they can. */
  canSignal(): boolean;
  /** Calls the other of a conversation, unless there is a call with them already. */
  call(conversation: LiveConversation): void;
  /** How long the service keeps the session of a page that was closed or is loaded again, in s. It is 0 if it keeps none. */
  window(): number;
  /** It is too late to restore the call of a conversation. */
  gaveUp(conversation: LiveConversation, loss: Loss): void;
}

/**
 * Restores calls that were lost: calls the other again, until they are connected, a person ends it, or it is too late. Both sides do that,
 * because neither can know whose network was away, and when it is back. If they call at the same time, one of them gives way (calls.ts).
 */
export class Recovery {
  constructor(private readonly host: RecoveryHost) {}

  /** Whether the call of some conversation is being restored. */
  get busy(): boolean {
    return [...this.host.conversations()].some(({ restoring }) => restoring);
  }

  /** A call of a conversation was lost. */
  lost(conversation: LiveConversation, { id, fingerprints, bare }: LostCall, how: LostHow): void {
    this.stop(conversation);
    conversation.loss = {
      call: id,
      peer: fingerprints?.peer,
      bare,
      began: performance.now(),
      away: !this.host.canSignal(),
      gone: how === "gone",
      closed: how === "closed",
      until: 0,
      giveUp: undefined,
      backoff: new Backoff(...WAITS),
      attempt: undefined,
    };
    const within = { lost: RESTORE_WITHIN, gone: RETURN_WITHIN, closed: this.host.window() * 1_000 + AFTER_WINDOW };
    this.#limit(conversation, within[how]);
    this.#attemptSoon(conversation);
  }

  /** Gives the other side this much time from now on, in ms. */
  #limit(conversation: LiveConversation, within: number): void {
    const { loss } = conversation;
    if (loss === undefined) return;
    clearTimeout(loss.giveUp);
    loss.until = performance.now() + within;
    loss.giveUp = setTimeout(() => {
      if (conversation.call === undefined) this.#giveUp(conversation);
    }, within);
  }

  /** A call of the conversation has opened. Returns whether it restores a lost one, with the same other end. */
  opened(conversation: LiveConversation, { fingerprints }: Pick<Call, "fingerprints">): boolean {
    const { loss } = conversation;
    return this.stop(conversation) && loss?.peer === fingerprints?.peer;
  }

  /**
   * A call of the conversation has ended before it opened. If it was to restore a lost one, another attempt follows as long as there is
   * time. Returns whether it was.
   */
  failed(conversation: LiveConversation, end: CallEnd): boolean {
    const { loss } = conversation;
    if (loss === undefined) return false;
    if (end === "unavailable" && loss.closed && !loss.away) this.#giveUp(conversation);
    else if (end === "unavailable" && !loss.gone && !loss.away && performance.now() - loss.began < CLOSED_WITHIN) {
      loss.gone = true;
      this.#limit(conversation, RETURN_WITHIN);
    }
    if (performance.now() < loss.until) this.#attemptSoon(conversation);
    else this.#giveUp(conversation);
    return true;
  }

  /** This page was without the service. Others may have been too. */
  withoutService(): void {
    for (const { loss } of this.host.conversations()) if (loss !== undefined) loss.away = true;
  }

  /** Something is better than it was: signaling frames can go out again, or the other of `conversation` is back. */
  resume(conversation?: LiveConversation): void {
    for (const one of conversation === undefined ? this.host.conversations() : [conversation]) {
      if (one.loss === undefined || one.call !== undefined) continue;
      one.loss.backoff.reset();
      this.#attemptSoon(one);
    }
  }

  /** Does not restore the call of a conversation any more. Returns whether this page was restoring it. */
  stop(conversation: LiveConversation): boolean {
    const { loss } = conversation;
    if (loss === undefined) return false;
    conversation.loss = undefined;
    clearTimeout(loss.giveUp);
    clearTimeout(loss.attempt);
    return true;
  }

  /** It is too late for all of them. */
  giveUp(): void {
    for (const conversation of this.host.conversations()) this.#giveUp(conversation);
  }

  /** Does not restore any call any more. */
  stopAll(): void {
    for (const conversation of this.host.conversations()) this.stop(conversation);
  }

  /** Calls after the back-off. If calls cannot go out, `resume` attempts it again. */
  #attemptSoon(conversation: LiveConversation): void {
    const { loss } = conversation;
    if (loss === undefined) return;
    clearTimeout(loss.attempt);
    loss.attempt = setTimeout(() => {
      // A device that was asleep runs this timer late.
      if (performance.now() >= loss.until) this.#giveUp(conversation);
      else if (this.host.canSignal()) this.host.call(conversation);
    }, loss.backoff.next());
  }

  #giveUp(conversation: LiveConversation): void {
    const { loss } = conversation;
    if (this.stop(conversation)) this.host.gaveUp(conversation, loss!);
  }
}
