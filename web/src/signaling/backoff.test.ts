import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "./backoff.js";

test("back-off has full jitter, doubles up to its cap, and starts again when told", () => {
  const bounds = new Backoff(500, 4_000, () => 1);
  assert.deepEqual([1, 2, 3, 4, 5].map(() => bounds.next()), [500, 1_000, 2_000, 4_000, 4_000]);
  bounds.reset();
  assert.equal(bounds.next(), 500);
  assert.equal(new Backoff(500, 4_000, () => 0).next(), 0);
});
