import { cutAt } from "./clusters.js";
import { type Piece, pieces } from "./links.js";
import { MAX_LINK } from "./linkscanner.js";

/** A longer text is shown in blocks of at most this length, in UTF-16 units. */
const MAX_BLOCK = 8000;
/** A block ends at the first line end after this length, in UTF-16 units. */
const FULL_BLOCK = 4000;
/** How much of a text is searched for links at once, in UTF-16 units. */
const WINDOW = 16 * MAX_BLOCK;

/**
 * Splits a text into blocks of pieces. The blocks together are the text. Each is laid out by itself, because the time that a
 * browser needs to describe a line to screen readers grows with all that is laid out together. The text is read only as far as
 * blocks are taken.
 */
export function* blocks(text: string): Generator<Piece[], undefined> {
  for (let start = 0, end; start < text.length; start = end) {
    end = windowEnd(text, start);
    yield* blocksOf(pieces(text.slice(start, end)));
  }
}

function* blocksOf(all: readonly Piece[]): Generator<Piece[]> {
  let block: Piece[] = [];
  let length = 0;
  for (const piece of all) {
    let { text } = piece;
    if (length + text.length > MAX_BLOCK) {
      yield block;
      block = [];
      length = 0;
    }
    const lineEnd = piece.href === undefined ? text.indexOf("\n", Math.max(0, FULL_BLOCK - length)) + 1 : 0;
    if (lineEnd > 0) {
      block.push({ text: text.slice(0, lineEnd) });
      yield block;
      block = [];
      length = 0;
      text = text.slice(lineEnd);
      if (text !== "") block.push({ text });
    } else block.push(piece);
    length += text.length;
  }
  if (block.length > 0) yield block;
}

/** Where the window that begins at `start` ends: where a line does, or a word, but never inside a link. */
function windowEnd(text: string, start: number): number {
  const end = start + WINDOW;
  if (end >= text.length) return text.length;
  const lineEnd = text.lastIndexOf("\n", end - 1) + 1;
  if (lineEnd > end - MAX_BLOCK) return lineEnd;
  const from = end - MAX_LINK - 1;
  const tail = text.slice(from, end);
  const word = tail.search(/\s\S*$/u);
  if (word >= 0) return cutAt(text, start, from + word + 1);
  // A link that is longer than the tail stays text.
  const link = tail.search(/\bhttps?:(?!.*\bhttps?:)/iu);
  return link > 0 ? from + link : cutAt(text, start, end);
}
