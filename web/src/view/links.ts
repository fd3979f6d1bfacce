/** A piece of a message: plain text, or text that is a link. */
export interface Piece {
  text: string;
  href?: string;
}

const LINK = /\bhttps?:\/\/[^\s<>"\u0000-\u001f\u007f]+/giu;
/** Longest link, in UTF-16 units. Longer ones stay text. */
const MAX_LINK = 2048;

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
  for (const match of text.matchAll(LINK)) {
    const link = withoutTrailingPunctuation(match[0]);
    if (link.length > MAX_LINK || !isAddress(link)) continue;
    plain(from, match.index);
    found.push({ text: link, href: link });
    from = match.index + link.length;
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

/** Cuts off what belongs to the text around a link: punctuation, and closing brackets that the link does not open. */
function withoutTrailingPunctuation(link: string): string {
  let end = Math.min(link.length, MAX_LINK + 1);
  const surplus = new Map([
    [")", count(link, ")", end) - count(link, "(", end)],
    ["]", count(link, "]", end) - count(link, "[", end)],
  ]);
  for (; end > 0; end--) {
    const last = link[end - 1]!;
    if (".,;:!?'*_~".includes(last)) continue;
    const closed = surplus.get(last) ?? 0;
    if (closed <= 0) break;
    surplus.set(last, closed - 1);
  }
  return link.slice(0, end);
}

/** How often a character occurs in the first `end` units of a text. */
function count(text: string, character: string, end: number): number {
  let found = 0;
  for (let i = text.indexOf(character); i >= 0 && i < end; i = text.indexOf(character, i + 1)) found++;
  return found;
}

function isAddress(link: string): boolean {
  try {
    return new URL(link).hostname !== "";
  } catch {
    return false;
  }
}
