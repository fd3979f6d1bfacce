/**
 * Finds the http(s) links in a text. A link ends where its host or its path cannot go on, as people write them in many languages: at a
 * full stop, a comma or a quotation mark of any script, and at a bracket that has no partner in the link.
 */

/** Longest link, in UTF-16 units. Longer ones stay text. */
export const MAX_LINK = 2048;
/** Longest host with user, password and port, in UTF-16 units. */
const MAX_HOST = 512;

/** Where a link lies in the text, in UTF-16 units. */
export interface Span {
  start: number;
  end: number;
}

const SCHEME = /(?<![a-z0-9])https?:\/\//giu;

/** A character of an internationalised host (RFC 5892). Hosts of emoji exist as well. */
const HOST_CHARACTER = String.raw`[\p{L}\p{M}\p{N}\p{So}_\-·・\u200c\u200d]`;
/** A character of a top-level domain that is not in Latin letters. */
const TOP_CHARACTER = String.raw`[\p{L}\p{M}\p{N}]`;

/**
 * User, password, host and port. Top-level domains mix Latin letters with no other script, so that a word of another script behind one
 * does not become part of the host.
 */
const HOST = new RegExp(
  [
    String.raw`^(?:[\w.~!$&'*+,;=:%-]+@)?`,
    String.raw`(?:\[[\da-f:.]+\]|(?:${HOST_CHARACTER}+\.)*(?:[\p{Script=Latin}\d_](?:[\p{Script=Latin}\p{M}\d_-]*[\p{Script=Latin}\p{M}\d])?|${TOP_CHARACTER}(?:[${TOP_CHARACTER.slice(1, -1)}-]*${TOP_CHARACTER})?))`,
    String.raw`(?::\d+)?`,
  ].join(""),
  "iu",
);

/** Opening brackets of ASCII by their closing ones. */
const PARTNERS: Readonly<Record<string, string>> = { ")": "(", "]": "[", "}": "{" };

const OPENING = /[\p{Ps}\p{Pi}]/u;
const CLOSING = /[\p{Pe}\p{Pf}]/u;
/** What no link contains: what RFC 3986 leaves out of ASCII, and punctuation, symbols of mathematics, spaces and invisible characters of all scripts. */
const ENDING = /[\s"<>\\`]|(?![!-~])[\p{P}\p{Sm}\p{Sk}\p{Z}\p{C}\u2800]|(?![\ufe0e\ufe0f])\p{Default_Ignorable_Code_Point}/u;
/** Marks that stand inside a word: the apostrophe, dashes, middle dots, the marks of Hebrew abbreviations, of Tibetan syllables, and joiners. */
const INNER = /[\u2019\u2010-\u2013\u203f\u00b7\u2027\u05be\u05f3\u05f4\u0f0b\u200c\u200d]/u;
const OF_A_WORD = /[\p{L}\p{M}\p{N}\p{So}]/u;
const KATAKANA = /\p{Script_Extensions=Katakana}/u;

/** The end of a link in ASCII that belongs to the text: punctuation, or a character reference (HTML, section 13.1.4). */
const TRAILING = /(?:[.,;:!?'*_~^|]|&(?:[a-z][a-z\d]{1,31}|#\d{1,7}|#x[\da-f]{1,6});)$/iu;
/** Longest match of TRAILING. */
const MAX_TRAILING = 34;

/** Finds the links of one text. The time is linear in its length. */
export class LinkScanner {
  /** Brackets that an earlier look at this part of the text found open. A link ends at each of them. */
  #unclosed: ReadonlySet<number> = new Set();

  constructor(private readonly text: string) {}

  *links(): Generator<Span> {
    const { text } = this;
    const scheme = new RegExp(SCHEME);
    for (let match = scheme.exec(text); match !== null; match = scheme.exec(text)) {
      const start = match.index;
      const from = start + match[0].length;
      const host = HOST.exec(text.slice(from, from + MAX_HOST))?.[0];
      // The host alone decides whether the address is valid.
      if (host === undefined || !isAddress(match[0] + host)) continue;
      const path = from + host.length;
      const end = "/?#".includes(text.charAt(path) || " ") ? this.#endOfPath(start, path) : path;
      if (end === undefined) {
        const space = text.slice(path).search(/\s/u);
        if (space < 0) return;
        scheme.lastIndex = path + space;
        continue;
      }
      yield { start, end };
      scheme.lastIndex = end;
    }
  }

  /** Returns where the link ends that starts at `start` and has its path at `at`; undefined: it is too long. */
  #endOfPath(start: number, at: number): number | undefined {
    const { text } = this;
    const quote = text.charAt(start - 1);
    const host = at;
    const open: { at: number; bracket: string }[] = [];
    let before = "";
    while (at < text.length) {
      if (at - start > MAX_LINK) {
        if (open.length === 0) return undefined;
        break;
      }
      const character = characterAt(text, at);
      const bracket = bracketOf(character);
      if (bracket?.opens === true) {
        if (this.#unclosed.has(at)) return this.#withoutTrailing(host, at);
        open.push({ at, bracket: bracket.kind });
      } else if (bracket !== undefined && open.at(-1)?.bracket === bracket.kind) open.pop();
      else if (this.#ends(character, before, at, quote)) break;
      before = character;
      at += character.length;
    }
    const first = open[0];
    if (first !== undefined) this.#unclosed = new Set(open.map((bracket) => bracket.at));
    return this.#withoutTrailing(host, first?.at ?? at);
  }

  /** Whether a link ends before a character that opens no bracket, and closes none of the link. */
  #ends(character: string, before: string, at: number, quote: string): boolean {
    if (character in PARTNERS) return true;
    // A quotation mark or a line of a table before the link ends it too.
    if (character === "'" || character === "|") return character === quote;
    const middleDot = character === "・";
    if (middleDot || INNER.test(character)) {
      if (character === "’" && quote === "‘") return true;
      const neighbour = middleDot ? KATAKANA : OF_A_WORD;
      return !neighbour.test(before) || !neighbour.test(characterAt(this.text, at + character.length));
    }
    return ENDING.test(character);
  }

  #withoutTrailing(host: number, end: number): number {
    for (;;) {
      const found = TRAILING.exec(this.text.slice(Math.max(host, end - MAX_TRAILING), end));
      if (found === null) return end;
      end -= found[0].length;
    }
  }
}

/** The character at an index, or "" behind the end. */
function characterAt(text: string, at: number): string {
  const code = text.codePointAt(at);
  return code === undefined ? "" : String.fromCodePoint(code);
}

/** The brackets and quotation marks that are not ASCII are of one kind, because languages pair them in different ways. */
function bracketOf(character: string): { kind: string; opens: boolean } | undefined {
  if (character < "\u0080") {
    const partner = PARTNERS[character];
    if (partner !== undefined) return { kind: partner, opens: false };
    return "([{".includes(character) ? { kind: character, opens: true } : undefined;
  }
  if (OPENING.test(character)) return { kind: "other", opens: true };
  return CLOSING.test(character) ? { kind: "other", opens: false } : undefined;
}

function isAddress(link: string): boolean {
  try {
    return new URL(link).hostname !== "";
  } catch {
    return false;
  }
}
