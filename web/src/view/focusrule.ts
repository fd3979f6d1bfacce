/** What the page shows. Conversations and calls are told apart as objects. */
export interface Shown {
  readonly login: string | undefined;
  readonly front: object | undefined;
  /** The call of the front conversation. */
  readonly call: object | undefined;
  readonly phase: string;
}

/** Where the focus moves. `on`: to where the person continues. `nearby`: to what is left of where it was. undefined: it stays. */
export type Move = "on" | "nearby" | undefined;

/**
 * The rule by which the focus moves. It moves for two reasons only:
 *
 *   - The person did what leads elsewhere: they joined or signed out, chose a conversation, or called somebody, who has answered
 *     before the person did anything else.
 *   - The element that had it is gone, out of sight or disabled. The focus is never nowhere.
 *
 * Nothing else moves it, whatever others or the network do.
 */
export class FocusRule {
  /** What the person has just done. */
  #act: "called" | "chose" | undefined;
  /** The conversation whose call the person waits for. */
  #expected: object | undefined;
  #before: Shown = { login: undefined, front: undefined, call: undefined, phase: "off" };

  /** The person has called somebody. */
  called(): void {
    this.#act = "called";
  }

  /** The person has chosen a conversation, or the list of them. */
  chose(): void {
    this.#act = "chose";
  }

  /** The person has typed or clicked. What they did before does not lead elsewhere any more. */
  busy(): void {
    this.#act = undefined;
    this.#expected = undefined;
  }

  /**
   * The page has been rendered.
   * @param lost whether the element that had the focus cannot have it any more
   * @returns the move, and whether the call in front has opened just now
   */
  shown(now: Shown, lost: boolean): { move: Move; opened: boolean } {
    const before = this.#before;
    const act = this.#act;
    this.#before = now;
    this.#act = undefined;
    const open = now.phase === "open";
    const opened = open && (before.phase !== "open" || now.call !== before.call);
    const waits = now.phase === "calling" || now.phase === "connecting";
    // A call that has failed already leaves the conversation in front that was there before.
    if (act === "called" && (waits || now.front !== before.front || now.call !== before.call)) this.#expected = now.front;
    if (this.#expected !== now.front || !(waits || open)) this.#expected = undefined;
    const answered = this.#expected !== undefined && open;
    if (answered) this.#expected = undefined;
    if (now.login !== before.login || (act === "chose" && now.front !== before.front) || answered) return { move: "on", opened };
    return { move: lost ? "nearby" : undefined, opened };
  }
}
