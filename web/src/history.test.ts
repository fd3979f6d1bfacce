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

test("texts and files are exported, and nothing else", async () => {
  const time = new Date(Date.UTC(2026, 10, 27, 12));
  const entries: unknown[] = [
    { id: "a", time, kind: "own", author: "alice", text: "<b>hello</b>", delivery: "delivered", letter: 1 },
    { id: "b", time, kind: "received", author: "bob", text: "hello" },
    { id: "c", time, kind: "note", phrase: { key: "noteConnected", args: ["bob"] } },
    { id: "d", time, kind: "file", author: "bob", own: false, file: { name: "notes.pdf", size: 7, type: "application/pdf", state: "done" } },
    { id: "e", time, kind: "file", author: "alice", own: true, file: { name: "x", size: 1, type: "", state: "sending" } },
    { id: "f", time, kind: "of a later version" },
  ];
  const { database } = slow();
  const kept: Partial<Record<string, unknown[]>> = { conversations: [{ me: "alice", key: "bob", peer: "Bob" }, null, { me: 7 }], entries };
  (await database).all = async (store) => kept[store] ?? [];
  const range = Object.getOwnPropertyDescriptor(globalThis, "IDBKeyRange");
  Object.defineProperty(globalThis, "IDBKeyRange", { configurable: true, value: { bound: (...bounds: unknown[]) => bounds } });
  try {
    const said = "2026-11-27T12:00:00.000Z";
    assert.deepEqual(await new History(database, () => false, () => {}, () => {}).export(time), {
      format: "p2p-messaging-history/1",
      exported: said,
      conversations: [
        {
          own: "alice",
          other: "Bob",
          entries: [
            { time: said, author: "alice", own: true, text: "<b>hello</b>", delivery: "delivered" },
            { time: said, author: "bob", own: false, text: "hello" },
            { time: said, author: "bob", own: false, file: { name: "notes.pdf", size: 7, type: "application/pdf", state: "done" } },
            { time: said, author: "alice", own: true, file: { name: "x", size: 1, type: "", state: "failed" } },
          ],
        },
      ],
    });
  } finally {
    if (range === undefined) delete (globalThis as { IDBKeyRange?: unknown }).IDBKeyRange;
    else Object.defineProperty(globalThis, "IDBKeyRange", range);
  }
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
