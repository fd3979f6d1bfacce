/*! noble-hashes - MIT License (c) 2022 Paul Miller (paulmillr.com) */
import { sha256 } from "../../vendor/noble-hashes/sha2.js";

/**
 * SHA-256, at once (`sha256(bytes)`) or in parts (`sha256.create()`, `update`, `digest`). The browser's own
 * crypto.subtle takes no parts, and is missing on plain http.
 */
export { sha256 };

/** SHA-256 by the browser itself, beside the page, where it is allowed to; on plain http by the page. */
export async function digest(bytes: Uint8Array<ArrayBuffer>, subtle = globalThis.crypto?.subtle): Promise<Uint8Array> {
  return subtle === undefined ? sha256(bytes) : new Uint8Array(await subtle.digest("SHA-256", bytes));
}
