import { sha512 } from "../../vendor/noble-hashes/sha2.js";

/** Makes these digests different from those for any other purpose. */
const PURPOSE = "p2p-messaging safety number 1";
/** How many rounds each digest takes. They make it more expensive to search for a certificate with similar digits. */
const ROUNDS = 5200;
const GROUPS = 6;

/**
 * Returns the safety number of two certificates: 60 digits, in 12 groups of 5. Both ends get the same number, whichever side called.
 *
 * For each certificate, with f its SHA-256 fingerprint (32 bytes):
 *
 *     d(0) = SHA-512(PURPOSE ‖ f),   d(n) = SHA-512(d(n - 1) ‖ f),   up to d(5200)
 *
 * Each of the first six runs of 5 bytes of the last digest, as a big-endian number modulo 100,000, is a group. The groups of the
 * certificate with the lower fingerprint come first. Each certificate has thirty digits, so another one has the same digits with a
 * probability of 1 in 10³⁰.
 *
 * @param one a fingerprint, as fingerprintOf returns it
 * @param other the fingerprint of the other end, likewise
 */
export function safetyNumber(one: string, other: string): string[] {
  const [first, second] = [one, other].sort() as [string, string];
  return [...groups(first), ...groups(second)];
}

function groups(fingerprint: string): string[] {
  const bytes = Uint8Array.from(fingerprint.split(":"), (byte) => Number.parseInt(byte, 16));
  let digest = sha512(join(new TextEncoder().encode(PURPOSE), bytes));
  for (let round = 0; round < ROUNDS; round++) digest = sha512(join(digest, bytes));
  return Array.from({ length: GROUPS }, (_, group) => {
    let number = 0;
    for (const byte of digest.subarray(5 * group, 5 * group + 5)) number = number * 256 + byte;
    return String(number % 100_000).padStart(5, "0");
  });
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
