import assert from "node:assert/strict";
import { test } from "node:test";
import { GivenUp } from "./givenup.js";

/** What the browser keeps. */
function shelf(room = true) {
  const kept = new Map<string, string>();
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem(key: string, text: string) {
      if (!room) throw new Error("QuotaExceededError");
      kept.set(key, text);
    },
  };
}

test("a session that was given up is known to the other pages of the browser, and the oldest are forgotten", () => {
  const kept = shelf();
  const [one, other] = [new GivenUp(kept, () => true), new GivenUp(kept, () => true)];
  assert.equal(other.has("id 0"), false);
  assert.equal(other.has(""), false);
  for (let i = 0; i < 70; i++) one.add(`id-${i}`);
  assert.deepEqual([0, 5, 6, 69].map((i) => other.has(`id-${i}`)), [false, false, true, true]);
});

test("a browser that keeps nothing, or must not, knows of none", () => {
  for (const none of [new GivenUp(undefined, () => true), new GivenUp(shelf(false), () => true), new GivenUp(shelf(), () => false)]) {
    none.add("id");
    assert.equal(none.has("id"), false);
  }
});
