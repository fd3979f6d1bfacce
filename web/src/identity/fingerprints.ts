import { sha256 } from "../../vendor/noble-hashes/sha2.js";
import { hex } from "../signaling/hex.js";

/** The SHA-256 fingerprints of the DTLS certificates of the two ends of a connection (RFC 8122). */
export interface Fingerprints {
  own: string;
  peer: string;
}

/** Why a session description does not say which certificate the other end has, in a way that this page can check. */
export type FingerprintFault =
  /** It has no fingerprint, or none by SHA-256. */
  | "missing-fingerprint"
  /** It has SHA-256 fingerprints of several certificates. */
  | "several-fingerprints"
  /** A line looks like a fingerprint and cannot be read. */
  | "unreadable-fingerprint";

/** A session description that binds its connection to one certificate. */
export interface BoundDescription {
  /** The description. Each fingerprint in it is the SHA-256 one. */
  sdp: string;
  /** 32 bytes, as RFC 8122 writes them: "AB:CD:…". */
  fingerprint: string;
}

const FINGERPRINT = /^[ \t]*a[ \t]*=[ \t]*fingerprint[ \t]*:[ \t]*([!-~]+)[ \t]+([!-~]+)[ \t]*$/i;
const SHA256 = /^[0-9A-F]{2}(?::[0-9A-F]{2}){31}$/;

/** A browser may end a line at a lone carriage return too. */
function linesOf(sdp = ""): string[] {
  return sdp.split(/\r\n|\n|\r/);
}

/** Whether a line may be a fingerprint to some browser. They differ in the case, white space and other characters that they pass over. */
function isAttribute(line: string): boolean {
  return /^a=fingerprint/i.test(line.replace(/[^!-~]/g, ""));
}

/**
 * Finds the certificate that a session description binds its connection to. A description may have fingerprints by several hash
 * functions, for the session and for each medium (RFC 8122, section 5). The SHA-256 one counts. In the description that is returned
 * it is the only one, so that the browser checks what the page compares.
 */
export function bind(sdp: string | undefined): BoundDescription | FingerprintFault {
  const lines = linesOf(sdp);
  const found = new Set<string>();
  for (const line of lines.filter(isAttribute)) {
    const [, hash, value] = FINGERPRINT.exec(line) ?? [];
    const fingerprint = value?.toUpperCase() ?? "";
    const counts = hash?.toLowerCase() === "sha-256";
    if (hash === undefined || (counts && !SHA256.test(fingerprint))) return "unreadable-fingerprint";
    if (counts) found.add(fingerprint);
  }
  const [fingerprint] = found;
  if (fingerprint === undefined) return "missing-fingerprint";
  if (found.size > 1) return "several-fingerprints";
  const bound: string[] = [];
  let said = false; // Whether this part of the description, the session or a medium, has its fingerprint.
  for (const line of lines) {
    if (line.startsWith("m=")) said = false;
    if (!isAttribute(line)) bound.push(line);
    else if (!said) {
      bound.push(`a=fingerprint:sha-256 ${fingerprint}`);
      said = true;
    }
  }
  return { sdp: bound.join("\r\n"), fingerprint };
}

/** Whether a description has this fingerprint, and no other by any hash function. */
export function hasOnly(sdp: string | undefined, fingerprint: string): boolean {
  const found = linesOf(sdp).filter(isAttribute);
  return found.length > 0 && found.every((line) => line.toUpperCase() === `A=FINGERPRINT:SHA-256 ${fingerprint}`);
}

/** Returns the fingerprint that `bind` finds. Returns undefined if there is none. */
export function fingerprintOf(sdp: string | undefined): string | undefined {
  const bound = bind(sdp);
  return typeof bound === "string" ? undefined : bound.fingerprint;
}

/** Returns the fingerprint of a certificate. @param der the certificate in base64 */
export function fingerprintOfCertificate(der: string): string {
  const bytes = Uint8Array.from(atob(der), (character) => character.charCodeAt(0));
  return Array.from(sha256(bytes), (byte) => hex([byte]).toUpperCase()).join(":");
}
