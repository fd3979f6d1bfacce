import { cutAt } from "./clusters.js";

/** A piece of a message: plain text, or text that is a link. */
export interface Piece {
  text: string;
  href?: string;
}

const LINK = /\bhttps?:\/\/[^\s<>"\u0000-\u001f\u007f]+/giu;
/** Longest link, in UTF-16 units. Longer ones stay text. */
export const MAX_LINK = 2048;

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

/** Returns where to cut a text, at `end` or a little before: after a space if possible, and never inside what is read as one character. */
function cutBefore(text: string, start: number, end: number): number {
  for (let cut = end; cut > end - MAX_PLAIN / 4; cut--) {
    if (/\s/u.test(text[cut - 1]!)) return cutAt(text, start, cut);
  }
  return cutAt(text, start, end);
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
