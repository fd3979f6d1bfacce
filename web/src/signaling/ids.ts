import { hex } from "./hex.js";

/**
 * A fresh identifier of 128 random bits. `crypto.randomUUID` is missing where the page came over plain
 * http from another machine; `getRandomValues` is there.
 */
export function freshId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return hex(bytes);
}
