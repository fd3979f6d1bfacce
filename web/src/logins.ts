/**
 * Logins as two pages compare them. The service has the last word (RFC 8266, nicknames); this is the
 * part of those rules that a page needs to recognise itself and to agree with another page on an order.
 */

/** The form under which two spellings of one login are equal. */
export function loginKey(login: string): string {
  return login.trim().replace(/\s+/gu, " ").normalize("NFKC").toLowerCase().normalize("NFKC");
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
