import { sha512 } from "../../vendor/noble-hashes/sha2.js";

/** Keeps these digests apart from those of anything else. */
const PURPOSE = "p2p-messaging safety number 1";
/** Each digest is made so often, which makes a search for a certificate whose digits are alike as much more expensive. */
const ROUNDS = 5200;
const GROUPS = 6;

/**
 * The safety number of two certificates: 60 digits, in 12 groups of 5. Both ends make the same one, whoever has called.
 *
 * For each certificate, of which f is the SHA-256 fingerprint (32 bytes):
 *
 *     d(0) = SHA-512(PURPOSE ‖ f),   d(n) = SHA-512(d(n - 1) ‖ f),   up to d(5200)
 *
 * and each of the first six runs of 5 bytes of the last one, as a big-endian number modulo 100,000, is a group. The groups
 * of the certificate with the lower fingerprint come first. Thirty digits for each end leave a chance of 1 in 10³⁰ that
 * another certificate has the same.
 *
 * @param one a fingerprint as fingerprintOf returns it
 * @param other the other end's
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
