/**
 * How pages compare logins. The service applies all rules for nicknames (RFC 8266). This is the part of the rules that
 * a page needs to recognise itself, and to agree with another page on an order.
 */

/** How often the rules are applied at most, until the result is stable (RFC 8266, section 2.4). */
const MAX_PASSES = 4;

/** Longest login in any spelling, in UTF-16 units. */
export const MAX_LOGIN_LENGTH = 1024;

/** The key of a login. All spellings of one login have the same key (RFC 8266, section 2.4). */
export function loginKey(login: string): string {
  let key = login;
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const before = key;
    key = lowerCase(key.replace(/\p{Zs}+/gu, " ").replace(/^ | $/gu, "")).normalize("NFKC");
    if (key === before) break;
  }
  return key;
}

/** Converts each character to lower case by itself. For a whole text, JavaScript would use another sigma at the end of a word. */
function lowerCase(text: string): string {
  return Array.from(text, (character) => character.toLowerCase()).join("");
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
