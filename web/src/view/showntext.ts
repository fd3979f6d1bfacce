import { firstSeen } from "../characters.js";
import { blocks } from "./blocks.js";
import { layoutCost } from "./cost.js";
import type { Piece } from "./links.js";

/** A text whose layout costs more is not shown whole (cost.ts). The browser takes about a second for so much. */
export const MOST_AT_ONCE = 2_000_000;
/** The beginning of such a text costs this much. */
const BEGINNING = MOST_AT_ONCE / 10;
/** No more than this is shown. Its lines are as high as a browser can count pixels. */
const MOST = 12 * MOST_AT_ONCE;

/** What is shown of a text: all of it, or its beginning if all of it would cost the browser too much. */
export class ShownText {
  readonly blocks: Piece[][] = [];
  /** Whether nothing can be seen of the text. */
  readonly invisible: boolean;
  /** How many of the blocks are shown without being asked for. */
  readonly first: number;
  /** What it costs to lay out what is shown without being asked for. */
  readonly cost: number;
  /** Whether the whole text has been copied to the clipboard. */
  copied = false;
  /** How much of the text is shown, in UTF-16 units. */
  length = 0;
  /** The blocks that are not shown yet. */
  readonly #rest: Iterator<Piece[], undefined>;
  #next: Piece[] | undefined;
  /** What it costs to lay out what is shown. */
  #shown = 0;

  constructor(readonly text: string) {
    this.invisible = firstSeen(text) < 0;
    const cost = layoutCost(text, MOST_AT_ONCE);
    this.#rest = blocks(text);
    this.#next = this.#rest.next().value;
    this.#showUpTo(cost > MOST_AT_ONCE ? BEGINNING : Infinity);
    this.first = this.blocks.length;
    this.cost = this.#shown;
  }

  /** Whether all of the text is shown. */
  get whole(): boolean {
    return this.#next === undefined;
  }

  /** Whether the text is shown in blocks, as a long one is. */
  get long(): boolean {
    return this.blocks.length > 1 || !this.whole;
  }

  /** Whether more of the text can be shown. */
  get hasMore(): boolean {
    return !this.whole && this.#shown < MOST;
  }

  /** Shows about as much again. */
  showMore(): void {
    this.#showUpTo(Math.min(2 * this.#shown, MOST));
  }

  /** Shows blocks until they cost `most`, and at least one. */
  #showUpTo(most: number): void {
    while (this.#next !== undefined) {
      this.blocks.push(this.#next);
      for (const { text } of this.#next) {
        this.#shown += layoutCost(text);
        this.length += text.length;
      }
      this.#next = this.#rest.next().value;
      if (this.#shown >= most) return;
    }
  }
}
