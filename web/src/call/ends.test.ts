import assert from "node:assert/strict";
import { test } from "node:test";
import { type CallEnd, FAREWELLS } from "./ends.js";

test("the other side is told of an end that it cannot know", () => {
  const told = (farewell: string | undefined) => (Object.keys(FAREWELLS) as CallEnd[]).filter((end) => FAREWELLS[end] === farewell).sort();
  assert.deepEqual(told("left"), [
    "garbled",
    "hung-up",
    "identity-changed",
    "missing-fingerprint",
    "other-certificate",
    "several-fingerprints",
    "undeliverable",
    "unreadable-fingerprint",
  ]);
  assert.deepEqual(told("lost"), ["lost", "no-answer", "no-connection", "rerouted", "unreached"]);
  assert.deepEqual(told(undefined), ["away", "busy", "declined", "gone", "left", "no-relay", "superseded", "unavailable", "unloaded", "unreadable"]);
});
