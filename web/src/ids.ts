/**
 * A fresh identifier of 128 random bits. `crypto.randomUUID` is missing where the page came over plain
 * http from another machine; `getRandomValues` is there.
 */
export function freshId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
