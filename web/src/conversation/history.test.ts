import assert from "node:assert/strict";
import { before, test } from "node:test";
import { Conversation } from "./conversation.js";
import type { Database } from "./database.js";
import { History } from "./history.js";
import { readConversation, readEntry } from "./records.js";
import { settled } from "../signaling/settled.fixture.js";

/** A database whose writes succeed or fail when the test says so. */
function slow() {
  const writes: { end: (error?: Error) => void }[] = [];
  const database: Database = {
    get: async () => undefined,
    entry: async () => undefined,
    all: async () => [],
    newest: async () => {},
    change: async () => {},
    write: (_stores, work) =>
      new Promise((resolve, reject) => {
        const transaction = { get: async () => undefined, entry: async () => undefined, each: async () => {}, put() {}, delete() {} };
        writes.push({ end: (error) => (error === undefined ? resolve(work(transaction)) : reject(error)) });
      }),
    claim: async (_store, _key, value) => value,
    clear: async () => {},
  };
  return { database: Promise.resolve(database), writes };
}

/** A history in a database. It reports to `told`. */
function history(database: Promise<Database>, told: string[] = []): History {
  return new History(database, () => false, () => told.push("full"), () => told.push("failed"));
}

before(() => Object.assign(globalThis, { IDBKeyRange: { bound: (...bounds: unknown[]) => bounds } }));

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
  writes[1]!.end(new DOMException("no room", "QuotaExceededError"));
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
    { id: "d", time, kind: "file", author: "bob", own: false, file: { name: "notes.pdf", size: 7, type: "application/pdf", state: "done", key: "page 1" } },
    { id: "e", time, kind: "file", author: "alice", own: true, file: { name: "x", size: 1, type: "", state: "sending" } },
    { id: "f", time, kind: "of a later version" },
  ];
  const { database } = slow();
  const kept: Partial<Record<string, unknown[]>> = { conversations: [{ me: "alice", key: "bob", peer: "Bob" }, null, { me: 7 }], entries };
  (await database).all = async (store) => kept[store] ?? [];
  const said = "2026-11-27T12:00:00.000Z";
  assert.deepEqual(await history(database).export(time), {
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
});

test("as much is read on Join as there is memory for, whatever others have sent", async () => {
  const time = new Date();
  const kept: Record<string, unknown[]> = {};
  const conversation = (key: string, newest: number, texts: number[]) => {
    kept[key] = texts.map((length, i) => ({ id: `${key} ${i}`, seq: newest - texts.length + i, time, kind: "received", author: key, text: "x".repeat(length) }));
    return { me: "alice", key, peer: key, correspondence: { instance: key, waiting: [] } };
  };
  const conversations = [
    conversation("short", 3000, Array(250).fill(10)),
    conversation("long", 2000, [10, 400_000, 400_000, 400_000]),
    conversation("huge", 1000, [10, 40_000_000]),
    conversation("oldest", 1, [10]),
  ];
  const { database } = slow();
  (await database).all = async () => conversations;
  (await database).newest = async (_store, range, take) => {
    const [[, key]] = range as unknown as [[string, string]];
    for (const value of [...kept[key]!].reverse()) if (!take(value)) return;
  };
  const loaded = await history(database).load("alice");
  assert.deepEqual(
    loaded.map(({ kept: { peer }, entries, more }) => [peer, entries.length, entries.at(-1)?.id, more]),
    [
      ["short", 200, "short 249", true],
      ["long", 3, "long 3", true],
      ["huge", 1, "huge 1", true],
      ["oldest", 0, undefined, true],
    ],
  );
  const oldest = new Conversation("oldest", "here");
  const { entries, more } = await history(database).earlier("alice", oldest);
  assert.deepEqual([entries.map(({ id }) => id), more], [["oldest 0"], false]);
});

test("what cannot be read is not written over, and what cannot be written is told of by its reason", async () => {
  const { database, writes } = slow();
  const told: string[] = [];
  const unreadable = history(database, told);
  (await database).all = () => Promise.reject(new DOMException("no", "UnknownError"));
  assert.deepEqual(await unreadable.load("alice"), []);
  assert.deepEqual([told, unreadable.keeping], [["failed"], false]);
  unreadable.save("alice", new Conversation("bob", "here"), []);
  await settled();
  assert.equal(writes.length, 0);

  for (const [name, reason] of [["QuotaExceededError", "full"], ["InvalidStateError", "failed"]] as const) {
    told.length = 0;
    const unwritable = history(database, told);
    await settled();
    for (let i = 0; i < 2; i++) unwritable.save("alice", new Conversation("bob", "here"), []);
    await settled();
    writes.at(-1)!.end(new DOMException("no", name));
    await settled();
    assert.deepEqual([told, unwritable.keeping], [[reason], false]);
  }
});

test("what another version or nobody has written is no entry and no conversation", () => {
  const time = new Date();
  for (const value of [undefined, null, 7, {}, { id: "a" }, { id: "a", time: 1 }, { id: "a", time: new Date(NaN), kind: "received", author: "bob", text: "x" }, { id: "a", time, kind: "later" }, { id: "a", time, kind: "own", text: 1 }]) {
    assert.equal(readEntry(value), undefined);
    assert.equal(readConversation(value), undefined);
  }
  const entry = { id: "a", time, kind: "received", author: "bob", text: "hello" };
  assert.deepEqual(readEntry(entry), entry);
});
