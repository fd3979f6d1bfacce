import assert from "node:assert/strict";
import { test } from "node:test";
import { Journal } from "./journal.js";

test("a journal has what was on the wire, and is bounded", () => {
  const journal = new Journal();
  journal.add("sent", "offer", '{"é":1}');
  const { direction, type, bytes, text } = journal.entries[0]!;
  assert.deepEqual({ direction, type, bytes, text }, { direction: "sent", type: "offer", bytes: 8, text: '{"é":1}' });

  for (let i = 0; i < 1_000; i++) journal.add("received", "ice-candidate", `${i}`);
  assert.equal(journal.entries.length, 200);
  assert.equal(journal.entries.at(-1)!.text, "999");

  for (let i = 0; i < 100; i++) journal.add("received", "offer", "x".repeat(60_000));
  assert.ok(journal.entries.reduce((sum, entry) => sum + entry.text.length, 0) <= 1_000_000);
});
