import assert from "node:assert/strict";
import { test } from "node:test";
import { Conversation } from "./conversation.js";
import type { Change, Database } from "./database.js";
import { History, readConversation, readEntry } from "./history.js";

/** A database whose writes end when the test says, and well or not. */
function slow() {
  const writes: { changes: readonly Change[]; end: (error?: Error) => void }[] = [];
  const database: Database = {
    get: async () => undefined,
    all: async () => [],
    change: (changes) =>
      new Promise((resolve, reject) => writes.push({ changes, end: (error) => (error === undefined ? resolve() : reject(error)) })),
    claim: async (_store, _key, value) => value,
    clear: async () => {},
  };
  return { database: Promise.resolve(database), writes };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("nothing is written behind what is forgotten, and there is room again after it", async () => {
  const { database, writes } = slow();
  let full = 0;
  const history = new History(database, () => false, () => full++, () => {});
  await settled();
  const conversation = new Conversation("bob", "here");
  for (const text of ["one", "two"]) {
    history.save("alice", conversation, [conversation.add({ kind: "received", author: "bob", text } as const)]);
    await settled();
  }
  history.save("alice", conversation, []);
  let forgotten = false;
  void history.drop().then(() => (forgotten = true));
  await settled();
  assert.equal(writes.length, 1, "one is being written, one waits for it, and the last is forgotten");
  assert.equal(forgotten, false);
  writes[0]!.end();
  await settled();
  assert.equal(forgotten, false, "the second is still being written");
  writes[1]!.end(new Error("no room"));
  await settled();
  assert.equal(forgotten, true);
  assert.equal(writes.length, 2);
  assert.equal(full, 1);
  assert.equal(history.keeping, true, "what was in the way is gone");
});

test("what another version or nobody has written is no entry and no conversation", () => {
  const time = new Date();
  for (const value of [undefined, null, 7, {}, { id: "a" }, { id: "a", time: 1 }, { id: "a", time, kind: "later" }, { id: "a", time, kind: "own", text: 1 }]) {
    assert.equal(readEntry(value), undefined);
    assert.equal(readConversation(value), undefined);
  }
  const entry = { id: "a", time, kind: "received", author: "bob", text: "hello" };
  assert.deepEqual(readEntry(entry), entry);
});
