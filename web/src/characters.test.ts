import assert from "node:assert/strict";
import { test } from "node:test";
import { firstSeen, legible } from "./characters.js";

test("a text of invisible characters alone is known for that", () => {
  for (const text of ["", " ", "\n\t ", "\u00a0\u2003\u3000", "\u200b", "\u200d\u200c\u2060\ufeff", "\u2800\u2800", "\u3164", "\u115f\u1160\uffa0", "\u00ad\u034f\u061c", "\u202e\u2066", "\ufe0f", "\u{e0041}\u{e007f}", "\u0000\u001b\u0085", "\u2028\u2029", "\ufff9\ufffb", "\u{1d159}\u{1d173}", "\u180e\u17b4"]) {
    assert.equal(firstSeen(text), -1, JSON.stringify(text));
  }
  for (const [text, index] of [["a", 0], [" \u200ba", 2], ["\u2800😀", 1], [".", 0], ["\u0301", 0], ["👩‍👩‍👧", 0], ["\ufffd", 0], ["\u{e000}", 0], ["\u0600", 0]] as const) {
    assert.equal(firstSeen(text), index, JSON.stringify(text));
  }
  assert.equal(firstSeen("\u200b".repeat(4_000_000)), -1);
});

test("what is invisible in a name, or turns it round, is spelled out", () => {
  for (const [name, shown] of [
    ["photo\u202egpj.exe", "photo[U+202E]gpj.exe"],
    ["\u2066bob\u2069", "[U+2066]bob[U+2069]"],
    ["bob\u200f", "bob[U+200F]"],
    ["ali\u200bce", "ali[U+200B]ce"],
    ["ali\u200dce", "ali[U+200D]ce"],
    ["али\u200cса", "али[U+200C]са"],
    ["bob\u3164", "bob[U+3164]"],
    ["\u2800", "[U+2800]"],
    ["a\nb\u2028c\u0000", "a[U+000A]b[U+2028]c[U+0000]"],
    ["bob\u{e0062}", "bob[U+E0062]"],
    ["bob\ufe0f", "bob[U+FE0F]"],
    ["می\u200c", "می[U+200C]"],
  ] as const) {
    assert.equal(legible(name), shown);
  }
});

test("what people write is shown as they write it", () => {
  for (const name of ["alice", "Zoë & co", "日本 語", "שלום", "Anna ❤️", "👩‍👩‍👧 👩🏽‍⚕️ 🏳️‍🌈 ❤️‍🔥", "1️⃣", "©︎", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "می‌خواهم", "র‍্যাচেল", "क्‍ष", "葛󠄀城", "ᠮᠣᠩ᠋", "a\u00a0b\u3000c"]) {
    assert.equal(legible(name), name, JSON.stringify(name));
  }
});
