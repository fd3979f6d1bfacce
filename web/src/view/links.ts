import { cutAt } from "./clusters.js";
import { LinkScanner } from "./linkscanner.js";

/** A piece of a message: plain text, or text that is a link. */
export interface Piece {
  text: string;
  href?: string;
}

/**
 * Longest plain piece, in UTF-16 units. The time that a browser needs to lay out a text grows with the square of
 * its longest run.
 */
const MAX_PLAIN = 1000;

/** Splits a text into plain pieces and http(s) links. The pieces together are the text. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  const plain = (start: number, end: number) => {
    while (start < end) {
      const cut = end - start > MAX_PLAIN ? cutBefore(text, start, start + MAX_PLAIN) : end;
      found.push({ text: text.slice(start, cut) });
      start = cut;
    }
  };
  let from = 0;
  for (const { start, end } of new LinkScanner(text).links()) {
    plain(from, start);
    const link = text.slice(start, end);
    found.push({ text: link, href: link });
    from = end;
  }
  plain(from, text.length);
  return found;
}

/** Returns where to cut a text, at `end` or a little before: after a space if possible, and never inside what is read as one character. */
function cutBefore(text: string, start: number, end: number): number {
  for (let cut = end; cut > end - MAX_PLAIN / 4; cut--) {
    if (/\s/u.test(text[cut - 1]!)) return cutAt(text, start, cut);
  }
  return cutAt(text, start, end);
}
