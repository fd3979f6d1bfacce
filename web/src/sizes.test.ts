import assert from "node:assert/strict";
import { test } from "node:test";
import { size } from "./sizes.js";

test("sizes are written as people read them", () => {
  assert.equal(size(0, "en"), "0 bytes");
  assert.equal(size(1, "en"), "1 byte");
  assert.equal(size(999, "en"), "999 bytes");
  assert.equal(size(1_500, "en"), "1.5 kB");
  assert.equal(size(999_499, "en"), "999 kB");
  assert.equal(size(999_500, "en"), "1 MB");
  assert.equal(size(256_000_000, "en"), "256 MB");
  assert.equal(size(10e9, "en"), "10 GB");
  assert.equal(size(1.5e6, "fr"), "1,5\u202fMo");
});
