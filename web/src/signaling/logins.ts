/**
 * Logins as two pages compare them. The service has the last word (RFC 8266, nicknames); this is the
 * part of those rules that a page needs to recognise itself and to agree with another page on an order.
 */

/** How often the rules are applied at most (RFC 8266, section 2.4). */
const MAX_PASSES = 4;

/** No login is longer, however it is spelled, in UTF-16 units. */
export const MAX_LOGIN_LENGTH = 1024;

/** The form under which two spellings of one login are equal (RFC 8266, section 2.4). */
export function loginKey(login: string): string {
  let key = login;
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const before = key;
    key = lowerCase(key.replace(/\p{Zs}+/gu, " ").replace(/^ | $/gu, "")).normalize("NFKC");
    if (key === before) break;
  }
  return key;
}

/** Small letters, each for itself: of a whole text, JavaScript makes a sigma at the end of a word another letter. */
function lowerCase(text: string): string {
  return Array.from(text, (character) => character.toLowerCase()).join("");
}

/**
 * Says whether login `a` comes before login `b`: by code point, which is also the order of their UTF-8
 * bytes, so that clients in other languages agree.
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
