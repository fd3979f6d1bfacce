import assert from "node:assert/strict";
import { test } from "node:test";
import { askForPersistence, forgetPersistence } from "./persistence.js";

test("the browser is asked once to keep what there is, if the page can note that it has asked", () => {
  const kept = new Map<string, string>();
  const shelf = { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value), removeItem: (key: string) => void kept.delete(key) };
  let asked = 0;
  const storage = { persist: () => (asked++, Promise.reject(new TypeError("no"))) };
  askForPersistence(shelf, {} as StorageManager);
  assert.equal(kept.size, 0, "plain http pages cannot ask");
  for (let i = 0; i < 3; i++) askForPersistence(shelf, storage);
  assert.equal(asked, 1);
  forgetPersistence(shelf);
  assert.equal(kept.size, 0, "whoever deletes everything leaves no note");
  const refuse = () => {
    throw new DOMException("no", "QuotaExceededError");
  };
  for (const none of [undefined, { getItem: () => null, setItem: refuse }, { getItem: refuse, setItem() {} }]) askForPersistence(none, storage);
  for (const none of [undefined, { removeItem: refuse }]) forgetPersistence(none);
  assert.equal(asked, 1);
});
