import assert from "node:assert/strict";
import { test } from "node:test";
import { bind, fingerprintOf, fingerprintOfCertificate, hasOnly } from "./fingerprints.js";

const fingerprint = (byte: string, length = 32) => Array(length).fill(byte).join(":");
const AB = fingerprint("AB");
const CD = fingerprint("CD");
const SHA256 = `a=fingerprint:sha-256 ${AB}`;
const SHA384 = `a=fingerprint:sha-384 ${fingerprint("01", 48)}`;
const SHA512 = `a=fingerprint:sha-512 ${fingerprint("02", 64)}`;
const MEDIUM = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel";

/** A description with lines for the session, and one medium with its own. */
function description(session: string[], medium: string[]): string {
  return ["v=0", "s=-", ...session, MEDIUM, "a=mid:0", ...medium, "a=setup:actpass", ""].join("\r\n");
}

test("of several hash functions SHA-256 counts, and the browser gets no other", () => {
  for (const lines of [[SHA256], [SHA384, SHA256], [SHA256, SHA384, SHA512], [SHA256, SHA512, SHA256], [SHA256, `a=fingerprint:md5 ${fingerprint("03", 16)}`]]) {
    assert.deepEqual(bind(description(lines, [])), { sdp: description([SHA256], []), fingerprint: AB }, "for the session");
    assert.deepEqual(bind(description([], lines)), { sdp: description([], [SHA256]), fingerprint: AB }, "for a medium");
    assert.deepEqual(bind(description(lines, [SHA256])), { sdp: description([SHA256], [SHA256]), fingerprint: AB }, "for both");
  }
  assert.deepEqual(bind(description([SHA256], [SHA384])), { sdp: description([SHA256], [SHA256]), fingerprint: AB });
});

test("whatever a browser may read as a fingerprint is read, and passed on as every browser reads it", () => {
  for (const line of [
    `a=FINGERPRINT:sha-256 ${AB}`,
    `A=Fingerprint:SHA-256 ${AB.toLowerCase()}`,
    `  a=fingerprint:sha-256 ${AB}`,
    `a = fingerprint : sha-256 ${AB}`,
    `a=\tfingerprint:\tSha-256\t \t${AB}  `,
  ]) {
    for (const end of ["\r\n", "\n", "\r"]) {
      const sdp = ["v=0", line, MEDIUM, ""].join(end);
      assert.deepEqual(bind(sdp), { sdp: ["v=0", SHA256, MEDIUM, ""].join("\r\n"), fingerprint: AB }, JSON.stringify(line));
    }
    assert.equal(fingerprintOf(description([line], [`a=fingerprint:sha-256 ${CD}`])), undefined);
    assert.equal(fingerprintOf(`v=0\ns=-\ra=fingerprint:sha-256 ${CD}\n${line}`), undefined, "behind a lone carriage return");
  }
});

test("a description without one SHA-256 fingerprint is refused, and the refusal says why", () => {
  for (const sdp of [undefined, "", description([], []), description([SHA384], [SHA512]), description([], [`a=ssrc:1 fingerprint:sha-256 ${AB}`])]) {
    assert.equal(bind(sdp), "missing-fingerprint");
  }
  const other = `a=FingerPrint:sha-256 ${CD}`;
  for (const sdp of [description([SHA256, other], []), description([SHA256], [other]), description([], [other, SHA384, SHA256])]) {
    assert.equal(bind(sdp), "several-fingerprints");
  }
  for (const line of [
    `a=fingerprint:sha-256 ${fingerprint("AB", 31)}`,
    `a=fingerprint:sha-256 ${AB.replaceAll(":", "")}`,
    `a=fingerprint:sha-256 ${fingerprint("GG")}`,
    `a=fingerprint:sha-256${AB}`,
    `a=fingerprint sha-256 ${AB}`,
    `a=fingerprint:sha-256 ${AB} ${CD}`,
    `a=fingerprints:sha-256 ${CD}`,
    `a=\u0085fingerprint:sha-256 ${CD}`,
    `a=\u00a0fingerprint:sha-256 ${CD}`,
    `a=\0fingerprint:sha-256 ${CD}`,
    "a=fingerprint:",
  ]) {
    for (const sdp of [description([line], []), description([SHA256], [line]), description([SHA256, line], [])]) {
      assert.equal(bind(sdp), "unreadable-fingerprint", JSON.stringify(line));
    }
  }
});

test("what the browser has taken is the one fingerprint and nothing else", () => {
  assert.equal(hasOnly(description([SHA256], [`a=fingerprint:SHA-256 ${AB.toLowerCase()}`]), AB), true);
  for (const sdp of [undefined, description([], []), description([SHA256], [SHA384]), description([SHA256], [`a=fingerprint:sha-256 ${CD}`])]) {
    assert.equal(hasOnly(sdp, AB), false);
  }
});

test("the fingerprint of a certificate is the SHA-256 of its DER", () => {
  // FIPS 180-2, appendix B.1.
  assert.equal(fingerprintOfCertificate(btoa("abc")).replaceAll(":", ""), "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD");
});
