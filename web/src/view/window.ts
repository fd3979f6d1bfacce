import type { Entry } from "../conversation/conversation.js";

/** How many entries are shown at first, and how many more on demand. A browser needs seconds to lay out thousands. */
export const STEP = 200;
/** Fewer are shown if all their texts together cost more than this to lay out (cost.ts), but at least one. */
const STEP_COST = 2_000_000;

/** Which entries of a discussion are shown: the newest, or those about the reader's place. */
export class EntryWindow {
  /** How many times the person has asked for earlier entries. */
  #earlier = 0;
  /** How many times the person has asked for later entries since leaving the newest. */
  #later = 0;
  /** The first entry that is shown to a reader who has left the newest, and the one that was the newest then. */
  #left: { first: Entry; newest: Entry } | undefined;

  /** @param cost returns what it costs to lay out an entry */
  constructor(private readonly cost: (entry: Entry) => number) {}

  /**
   * Returns the range of indexes of the entries that are shown. While a reader is away from the newest entries, new ones push
   * none of those shown out.
   * @param following whether the newest entry is kept in sight
   */
  range(entries: readonly Entry[], following: boolean): { first: number; end: number } {
    if (following || entries.length === 0) {
      this.#left = undefined;
      this.#later = 0;
      return { first: this.#before(entries, entries.length, this.#earlier + 1), end: entries.length };
    }
    this.#left ??= { first: entries[this.#before(entries, entries.length, this.#earlier + 1)]!, newest: entries.at(-1)! };
    // An entry that is not there any more was too old for the memory.
    const first = Math.max(0, entries.indexOf(this.#left.first));
    const newest = Math.max(first, entries.indexOf(this.#left.newest));
    return { first, end: this.#after(entries, newest + 1, this.#later + 1) };
  }

  /** How many messages and files of the other person have come since the reader left the newest. */
  unseen(entries: readonly Entry[]): number {
    let count = 0;
    for (let i = entries.length - 1; i >= 0 && this.#left !== undefined && entries[i] !== this.#left.newest; i--) {
      const entry = entries[i]!;
      if (entry.kind === "received" || (entry.kind === "file" && !entry.own)) count++;
    }
    return count;
  }

  /** Shows more of the entries before those that are shown. */
  showEarlier(entries: readonly Entry[]): void {
    const { first } = this.range(entries, false);
    this.#earlier++;
    if (this.#left !== undefined) this.#left.first = entries[this.#before(entries, first, 1)]!;
  }

  /** Shows more of the entries after those that are shown. */
  showLater(): void {
    this.#later++;
  }

  /** The index of the first of the entries before `end` that `steps` steps show. */
  #before(entries: readonly Entry[], end: number, steps: number): number {
    let first = end;
    let cost = 0;
    while (first > Math.max(0, end - steps * STEP) && cost < steps * STEP_COST) cost += this.cost(entries[--first]!);
    return first;
  }

  /** The end of the entries from `first` on that `steps` steps show. */
  #after(entries: readonly Entry[], first: number, steps: number): number {
    let end = first;
    let cost = 0;
    while (end < Math.min(entries.length, first + steps * STEP) && cost < steps * STEP_COST) cost += this.cost(entries[end++]!);
    return end;
  }
}
