/** A piece of a message: plain text, or text that is a link. */
export interface Piece {
  text: string;
  href?: string;
}

const LINK = /\bhttps?:\/\/[^\s<>"\u0000-\u001f\u007f]+/giu;
/** A link with its address longer than this stays text. */
const MAX_LINK = 2048;

/** Splits a text into plain pieces and http(s) links; together they are the text. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    const link = withoutTrailingPunctuation(match[0]);
    if (link.length > MAX_LINK || !isAddress(link)) continue;
    if (match.index > from) found.push({ text: text.slice(from, match.index) });
    found.push({ text: link, href: link });
    from = match.index + link.length;
  }
  if (from < text.length) found.push({ text: text.slice(from) });
  return found;
}

/** A full stop after a link ends the sentence, and a bracket that was not opened in it belongs to the text. */
function withoutTrailingPunctuation(link: string): string {
  let end = Math.min(link.length, MAX_LINK + 1);
  for (; end > 0; end--) {
    const last = link[end - 1]!;
    if (".,;:!?'*_~".includes(last)) continue;
    if (last === ")" && !link.slice(0, end).includes("(")) continue;
    if (last === "]" && !link.slice(0, end).includes("[")) continue;
    break;
  }
  return link.slice(0, end);
}

function isAddress(link: string): boolean {
  try {
    return new URL(link).hostname !== "";
  } catch {
    return false;
  }
}
