/*! noble-hashes - MIT License (c) 2022 Paul Miller (paulmillr.com) */
import { sha256 } from "../../vendor/noble-hashes/sha2.js";
import { hex } from "../signaling/hex.js";

/** SHA-256. The browser computes it outside the page's thread if the page may use crypto.subtle; on plain http the page does. */
export async function digest(bytes: Uint8Array<ArrayBuffer>, subtle = globalThis.crypto?.subtle): Promise<Uint8Array> {
  return subtle === undefined ? sha256(bytes) : new Uint8Array(await subtle.digest("SHA-256", bytes));
}

/** The checksum of a file (frames.ts): the SHA-256 of the SHA-256s of its blocks, in hexadecimal. */
export async function checksum(digests: readonly Promise<Uint8Array>[]): Promise<string> {
  const all = await Promise.all(digests);
  return hex(await digest(Uint8Array.from(all.flatMap((bytes) => [...bytes]))));
}
