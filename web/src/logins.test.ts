import assert from "node:assert/strict";
import { test } from "node:test";
import { isLower, loginKey } from "./logins.js";

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
