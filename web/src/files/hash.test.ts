import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { sha256 } from "../../vendor/noble-hashes/sha2.js";
import { hex } from "../signaling/hex.js";
import { checksum, digest } from "./hash.js";

test("SHA-256 gives what FIPS 180-4 says", () => {
  const of = (text: string) => hex(sha256(new TextEncoder().encode(text)));
  assert.equal(of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  assert.equal(of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});

test("SHA-256 in parts is SHA-256 of the whole", () => {
  const whole = randomBytes(100_000);
  const hash = sha256.create();
  for (let start = 0, length = 0; start < whole.length; start += length, length += 61) {
    hash.update(whole.subarray(start, start + length));
  }
  assert.equal(hex(hash.digest()), createHash("sha256").update(whole).digest("hex"));
});

test("SHA-256 is the same with and without the browser's own", async () => {
  const bytes = new Uint8Array(randomBytes(10_000));
  assert.deepEqual(await digest(bytes, undefined), sha256(bytes));
  assert.deepEqual(await digest(bytes, crypto.subtle), sha256(bytes));
});

test("the checksum of a file is the SHA-256 of the SHA-256s of its blocks", async () => {
  const blocks = [randomBytes(100), randomBytes(10)];
  const hash = createHash("sha256");
  for (const block of blocks) hash.update(createHash("sha256").update(block).digest());
  assert.equal(await checksum(blocks.map((block) => digest(new Uint8Array(block)))), hash.digest("hex"));
  assert.equal(await checksum([]), createHash("sha256").digest("hex"));
});
