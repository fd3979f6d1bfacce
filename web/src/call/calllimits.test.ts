import assert from "node:assert/strict";
import { afterEach, mock, test } from "node:test";
import { CallLimits } from "./calllimits.js";

afterEach(() => mock.restoreAll());

test("calls of others are limited at once, and in a time", () => {
  let clock = 0;
  mock.method(performance, "now", () => clock);
  const limits = new CallLimits();
  assert.deepEqual([limits.allow(8, 64), limits.allow(9, 64), limits.allow(8, 65)], [true, false, false]);
  for (let i = 0; i < 32; i++) {
    assert.equal(limits.allow(1, 1), true);
    limits.took();
  }
  clock = 9_999;
  assert.equal(limits.allow(1, 1), false);
  clock = 10_000;
  assert.equal(limits.allow(1, 1), true);
});
