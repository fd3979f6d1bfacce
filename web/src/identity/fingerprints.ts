/** The SHA-256 fingerprints of the DTLS certificates of the two ends of a connection (RFC 8122). */
export interface Fingerprints {
  own: string;
  peer: string;
}

const LINE = /^a=fingerprint:(\S+)\s+(\S+)\s*$/gmu;
const SHA256 = /^[0-9A-F]{2}(?::[0-9A-F]{2}){31}$/u;

/**
 * Returns the fingerprint of the certificate that a session description binds its connection to, as RFC 8122 writes it
 * ("AB:CD:…", 32 bytes). Returns undefined if the description has none, has several, or has one of another hash function.
 */
export function fingerprintOf(sdp: string | undefined): string | undefined {
  const found = new Set<string>();
  for (const [, hash, value] of (sdp ?? "").matchAll(LINE)) {
    const fingerprint = value!.toUpperCase();
    if (hash!.toLowerCase() !== "sha-256" || !SHA256.test(fingerprint)) return undefined;
    found.add(fingerprint);
  }
  return found.size === 1 ? [...found][0] : undefined;
}
