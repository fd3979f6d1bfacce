import vectors from "../../../messages/testdata/vectors/logins.json" with { type: "json" };
import assert from "node:assert/strict";
import { test } from "node:test";
import { isLower, loginKey } from "./logins.js";

type Text = string | { text: string; times?: number }[];

/** A text of the vectors; one in parts is long. */
function whole(text: Text): string {
  return typeof text === "string" ? text : text.map((part) => part.text.repeat(part.times ?? 1)).join("");
}

test("keys are those of the service", () => {
  for (const { name, typed, key } of vectors.accepted) assert.equal(loginKey(whole(typed)), whole(key), name);
});

test("logins that the service takes for the same are the same here, and others are not", () => {
  for (const { name, logins } of vectors.same) {
    assert.equal(new Set(logins.map(loginKey)).size, 1, `${name}: ${logins.map(loginKey)}`);
  }
  for (const { name, logins } of vectors.different) {
    assert.equal(new Set(logins.map(loginKey)).size, logins.length, `${name}: ${logins.map(loginKey)}`);
  }
});

test("a sigma is the same letter wherever it stands", () => {
  assert.equal(loginKey("ΟΔΟΣ"), loginKey("οδοσ"));
  assert.equal(loginKey("ΟΔΟΣ"), loginKey("οδος"));
});

test("keys that make capitals or spaces are gone over again", () => {
  assert.equal(loginKey("㎒"), "mhz");
  assert.equal(loginKey("a\u00a8 b"), loginKey("a \u0308 b"));
});

test("two spellings of one login are one", () => {
  assert.equal(loginKey(" Zoe\u0308 "), loginKey("zoë"));
  assert.notEqual(loginKey("alice"), loginKey("alicia"));
});

test("of two logins exactly one is lower, and of one login neither", () => {
  const logins = ["alice", "bob", "al", "Zoë", "漢", "😀", "\uff5e"];
  for (const a of logins) {
    for (const b of logins) assert.equal(isLower(a, b), a !== b && !isLower(b, a), `${a} ${b}`);
  }
  assert.equal(isLower("alice", "Bob"), true);
  assert.equal(isLower("ALICE", "alice"), false);
  // By code point, as in UTF-8; UTF-16 units would say otherwise.
  assert.equal(isLower("\uff5e", "😀"), true);
});
