import { hex } from "./hex.js";

/**
 * A new identifier of 128 random bits. It uses `getRandomValues`, because pages that come over plain http from another
 * machine do not have `crypto.randomUUID`.
 */
export function freshId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return hex(bytes);
}
