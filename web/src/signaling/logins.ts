/**
 * How pages compare logins. The service applies all rules for nicknames (RFC 8266) and refuses what breaks them. This is
 * the part of the rules that a page needs to recognise itself, and to agree with another page on an order. It holds for
 * logins that the service has accepted. Their characters are in every browser's version of Unicode, so that the versions
 * of the browser and of the service may differ.
 */

/** How often the rules are applied at most, until the result is stable (RFC 8266, section 2.4). */
const MAX_PASSES = 4;

/** Longest login in any spelling, in UTF-16 units. */
export const MAX_LOGIN_LENGTH = 1024;

/** The key of a login. All spellings of one login have the same key (RFC 8266, section 2.4). */
export function loginKey(login: string): string {
  let key = withoutJoiners(login);
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const before = key;
    key = smallLetters(key.replace(/\p{Zs}+/gu, " ").replace(/^ | $/gu, "")).normalize("NFKC");
    if (key === before) break;
  }
  return key;
}

/** A joiner between two emoji (UTS #51, section 1.4.9). The first may have a skin tone, or be the flag of a region. */
const JOINED_EMOJI = /(?<=\p{Extended_Pictographic}\p{Emoji_Modifier}?[\u{e0020}-\u{e007f}]*)\u200d(?=\p{Extended_Pictographic})/gu;
/** A joiner that may stand in front of a virama. */
const JOINED_MARK = /(?<=[\p{L}\p{M}])[\u200c\u200d](\p{M})/gu;

/** Leaves out what does not count in a login: variation selectors, and joiners between emoji and in front of a virama. */
function withoutJoiners(login: string): string {
  if (!/[\u200c\u200d\ufe0e\ufe0f]/u.test(login)) return login;
  return login
    .replace(/[\ufe0e\ufe0f]/gu, "")
    .replace(JOINED_EMOJI, "")
    .replace(JOINED_MARK, (joined, mark: string) => (isVirama(mark) ? mark : joined));
}

/**
 * Whether a mark is a virama: whether its combining class is 9. JavaScript does not tell the class. But normalization
 * sorts marks by it, and U+05B0 has class 10, U+3099 class 8.
 */
function isVirama(mark: string): boolean {
  return mark !== "\u05b0" && mark !== "\u3099" && `\u05b0${mark}`.normalize("NFD") === `${mark}\u05b0` && `${mark}\u3099`.normalize("NFD") === `\u3099${mark}`;
}

/**
 * Converts each character to a small letter by itself. A small letter without a capital of its own becomes the small
 * letter of the capital that it shares: a final sigma is a sigma. The dotless i is a letter of its own, and U+0345 a mark.
 */
function smallLetters(text: string): string {
  return Array.from(text, (character) => {
    const small = character.toLowerCase();
    const capital = small.toUpperCase();
    return [...capital].length > 1 || small === "\u0131" || small === "\u0345" ? small : capital.toLowerCase();
  }).join("");
}

/**
 * Whether login `a` comes before login `b`. The order is by code point. That is also the order of the UTF-8 bytes, so
 * that clients in other programming languages agree.
 */
export function isLower(a: string, b: string): boolean {
  const left = [...loginKey(a)];
  const right = [...loginKey(b)];
  for (let i = 0; i < left.length && i < right.length; i++) {
    const difference = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!;
    if (difference !== 0) return difference < 0;
  }
  return left.length < right.length;
}
