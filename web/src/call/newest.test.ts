import assert from "node:assert/strict";
import { test } from "node:test";
import { Newest } from "./newest.js";

test("the newest entries are kept, and an entry that is set again is new", () => {
  const newest = new Newest<number>(2);
  newest.set("a", 1);
  newest.set("b", 2);
  newest.set("a", 3);
  newest.set("c", 4);
  assert.deepEqual(["a", "b", "c"].map((key) => newest.get(key)), [3, undefined, 4]);
  assert.deepEqual([newest.take("a"), newest.take("a")], [3, undefined]);
});
