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

/** A longer text is shown in blocks of at most this length, in UTF-16 units … */
const MAX_BLOCK = 8000;
/** … and a block ends at the first line end after this length. */
const FULL_BLOCK = 4000;

/** Splits a text into plain pieces and http(s) links. The pieces together are the text. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  const plain = (start: number, end: number) => {
    while (start < end) {
      const cut = end - start > MAX_PLAIN ? cutBefore(text, start + MAX_PLAIN) : end;
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

/**
 * Splits a text into blocks of pieces. The blocks together are the text. Each is laid out by itself, because the
 * time that a browser needs to describe a line to screen readers grows with all that is laid out together.
 */
export function blocks(text: string): Piece[][] {
  const all = pieces(text);
  if (text.length <= MAX_BLOCK) return [all];
  const found: Piece[][] = [];
  let block: Piece[] = [];
  let length = 0;
  const close = () => {
    if (block.length > 0) found.push(block);
    block = [];
    length = 0;
  };
  const add = (piece: Piece) => {
    if (piece.text === "") return;
    if (length + piece.text.length > MAX_BLOCK) close();
    block.push(piece);
    length += piece.text.length;
  };
  for (const piece of all) {
    const full = FULL_BLOCK - length;
    const lineEnd = piece.href === undefined ? piece.text.indexOf("\n", Math.max(0, full)) + 1 : 0;
    if (lineEnd === 0) {
      add(piece);
      continue;
    }
    add({ text: piece.text.slice(0, lineEnd) });
    close();
    add({ text: piece.text.slice(lineEnd) });
  }
  close();
  return found;
}

/** Returns where to cut a text, at `end` or a little before: after a space if possible, and never inside a character. */
function cutBefore(text: string, end: number): number {
  for (let cut = end; cut > end - MAX_PLAIN / 4; cut--) {
    if (/\s/u.test(text[cut - 1]!)) return cut;
  }
  const last = text.charCodeAt(end - 1);
  return last >= 0xd800 && last <= 0xdbff ? end - 1 : end;
}
