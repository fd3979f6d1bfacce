import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../conversation/conversation.js";
import { EntryWindow } from "./window.js";

/** A discussion of entries that are told apart by their texts. */
function discussion(length: number): Entry[] {
  return Array.from({ length }, (_, n) => entry(n));
}

function entry(n: number): Entry {
  return { id: String(n), time: new Date(n), kind: "received", author: "bob", text: String(n) };
}

test("the newest 200 are shown, or fewer that cost much, but at least one", () => {
  const entries = discussion(1_000);
  assert.deepEqual(new EntryWindow(() => 1).range(entries, true), { first: 800, end: 1_000 });
  assert.deepEqual(new EntryWindow(() => 100_000).range(entries, true), { first: 980, end: 1_000 });
  assert.deepEqual(new EntryWindow(() => 1e9).range(entries, true), { first: 999, end: 1_000 });
  assert.deepEqual(new EntryWindow(() => 1).range([], true), { first: 0, end: 0 });
  assert.deepEqual(new EntryWindow(() => 1).range([], false), { first: 0, end: 0 });
});

test("new entries make nothing go away that somebody reads", () => {
  const window = new EntryWindow(() => 1);
  const entries = discussion(300);
  assert.deepEqual(window.range(entries, true), { first: 100, end: 300 });
  window.range(entries, false);
  for (let n = 300; n < 1_000; n++) {
    entries.push(entry(n));
    const { first, end } = window.range(entries, false);
    assert.equal(first, 100);
    // Of thousands that come meanwhile, not all are laid out.
    assert.equal(end, Math.min(n + 1, 500));
    assert.equal(window.unseen(entries), n - 299);
  }
  window.showLater();
  assert.deepEqual(window.range(entries, false), { first: 100, end: 700 });
  assert.deepEqual(window.range(entries, true), { first: 800, end: 1_000 });
  assert.equal(window.unseen(entries), 0);
});

test("own messages and notes are not counted as new", () => {
  const window = new EntryWindow(() => 1);
  const entries = discussion(3);
  window.range(entries, false);
  entries.push({ id: "n", time: new Date(), kind: "note", phrase: { key: "noteLeft", args: ["bob"] } });
  entries.push({ id: "o", time: new Date(), kind: "own", author: "me", text: "", delivery: "sent", letter: 1 });
  entries.push(entry(9));
  assert.equal(window.unseen(entries), 1);
});

test("earlier entries are shown on demand, those from the device too", () => {
  const window = new EntryWindow(() => 1);
  const entries = discussion(500);
  window.range(entries, true);
  window.range(entries, false);
  window.showEarlier(entries);
  assert.deepEqual(window.range(entries, false), { first: 100, end: 500 });
  entries.unshift(...discussion(200));
  assert.equal(window.range(entries, false).first, 300);
  window.showEarlier(entries);
  assert.deepEqual(window.range(entries, false), { first: 100, end: 700 });
  assert.deepEqual(window.range(entries, true), { first: 100, end: 700 });
});

test("what the memory had no room for is not shown, and the rest is", () => {
  const window = new EntryWindow(() => 1);
  const entries = discussion(300);
  window.range(entries, false);
  entries.splice(0, 150);
  assert.deepEqual(window.range(entries, false), { first: 0, end: 150 });
  entries.splice(0, 150, ...discussion(10));
  assert.deepEqual(window.range(entries, false), { first: 0, end: 10 });
});
