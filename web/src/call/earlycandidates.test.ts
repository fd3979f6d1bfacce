import assert from "node:assert/strict";
import { test } from "node:test";
import { EarlyCandidates } from "./earlycandidates.js";

test("candidates wait for their call, in order, up to a bound", () => {
  const early = new EarlyCandidates();
  for (let i = 0; i < 100; i++) early.add("bob", "first", { candidate: `candidate:${i}` });
  early.add("BOB", undefined, { candidate: "candidate:bare" });
  assert.deepEqual(early.take("bob", undefined), [{ candidate: "candidate:bare" }], "logins are compared by their key");
  const first = early.take("bob", "first");
  assert.deepEqual([first.length, first[0], first[63]], [64, { candidate: "candidate:0" }, { candidate: "candidate:63" }]);
  assert.deepEqual(early.take("bob", "first"), []);
});

test("a peer that sends only candidates fills no memory", () => {
  const early = new EarlyCandidates();
  for (let i = 0; i < 1_000; i++) early.add("mallory", `call ${i}`, { candidate: "candidate:1" });
  const kept = Array.from({ length: 1_000 }, (_, i) => early.take("mallory", `call ${i}`).length);
  assert.equal(kept.reduce((sum, length) => sum + length), 16);
});
