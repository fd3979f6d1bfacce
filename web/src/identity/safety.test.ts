import assert from "node:assert/strict";
import { test } from "node:test";
import { fingerprintOf } from "./fingerprints.js";
import { safetyNumber } from "./safety.js";

const fingerprint = (byte: string) => Array(32).fill(byte).join(":");

test("both ends make the same safety number, and nobody else does", () => {
  const number = safetyNumber(fingerprint("00"), fingerprint("FF"));
  assert.deepEqual(number, safetyNumber(fingerprint("FF"), fingerprint("00")));
  assert.equal(number.length, 12);
  for (const group of number) assert.match(group, /^\d{5}$/u);
  const others = safetyNumber(fingerprint("00"), fingerprint("FE"));
  assert.deepEqual(others.slice(0, 6), number.slice(0, 6), "each end has a half of its own");
  assert.notDeepEqual(others.slice(6), number.slice(6));
});

// Other implementations can be compared with this number.
test("the safety number is made as it is said", () => {
  assert.equal(safetyNumber(fingerprint("00"), fingerprint("FF")).join(" "), "33601 30782 42062 37031 25925 84080 12788 36382 20154 24488 26851 69276");
});

test("a fingerprint is taken only where it leaves no doubt", () => {
  const line = (hash: string, byte: string) => `a=fingerprint:${hash} ${fingerprint(byte)}\r\n`;
  assert.equal(fingerprintOf(line("sha-256", "ab")), fingerprint("AB"));
  assert.equal(fingerprintOf(`m=x\r\n${line("SHA-256", "AB")}m=y\r\n${line("sha-256", "ab")}`), fingerprint("AB"), "twice the same");
  assert.equal(fingerprintOf(line("sha-256", "AB") + line("sha-512", "AC")), fingerprint("AB"), "SHA-256 counts");
  for (const sdp of [
    undefined,
    "",
    "v=0",
    line("sha-1", "AB"),
    line("sha-256", "AB") + line("sha-256", "AC"),
    "a=fingerprint:sha-256 AB:CD\r\n",
    `x${line("sha-256", "AB")}`,
  ]) {
    assert.equal(fingerprintOf(sdp), undefined, sdp);
  }
});
