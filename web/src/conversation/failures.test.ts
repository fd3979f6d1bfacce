import assert from "node:assert/strict";
import { before, test } from "node:test";
import { Conversation } from "./conversation.js";
import { databaseInMemory, fakeKeyRanges } from "./database.fixture.js";
import { History } from "./history.js";
import { settled } from "../signaling/settled.fixture.js";

before(fakeKeyRanges);

/** A page with a history on a device that fails when the test says so. */
function page() {
  const { database, control } = databaseInMemory();
  const told: string[] = [];
  const state = { unreadable: false, database };
  const failing = { ...database, all: ((...args) => (state.unreadable ? Promise.reject(new DOMException("no", "UnknownError")) : database.all(...args))) as typeof database.all };
  const history = new History(Promise.resolve(failing), () => false, () => told.push("full"), (asked) => told.push(asked ? "failed, asked" : "failed"));
  const bob = new Conversation("bob", "here");
  const hear = async (text: string) => {
    history.save("alice", bob, [bob.add({ kind: "received", author: "bob", text } as const)]);
    await settled();
  };
  const kept = async () => {
    const later = await new History(Promise.resolve(database), () => false, () => {}, () => {}).load("alice");
    return later.flatMap(({ entries }) => entries.map((entry) => ("text" in entry ? entry.text : entry.kind)));
  };
  return { history, control, told, state, bob, hear, kept };
}

test("what cannot be written waits, is told once, and is written in order once it can be", async (context) => {
  const clock = context.mock.method(performance, "now", () => 0);
  for (const [name, reason] of [["QuotaExceededError", "full"], ["UnknownError", "failed"], ["AbortError", "failed"]] as const) {
    const { history, control, told, bob, hear, kept } = page();
    await settled();
    await hear("one");
    control.fails = new DOMException("no", name);
    for (const text of ["two", "three"]) await hear(text);
    const { writes } = control;
    assert.deepEqual([told, history.keeping, history.failing, history.full], [[reason], false, true, reason === "full"]);
    await hear("four");
    assert.equal(control.writes, writes, "not at each message");
    history.hurry();
    await settled();
    assert.deepEqual([control.writes, told], [writes + 1, [reason]]);
    assert.deepEqual(await kept(), ["one"]);

    control.fails = undefined;
    clock.mock.mockImplementation(() => 10_000);
    await hear("five");
    assert.deepEqual(await kept(), ["one", "two", "three", "four", "five"]);
    assert.deepEqual([history.keeping, history.failing, history.full], [true, false, false]);
    control.fails = new DOMException("no", name);
    await hear("six");
    assert.deepEqual(told, [reason, reason], "a failure after a success is another one");
    await history.delete("alice", bob.key);
    control.fails = undefined;
    history.hurry();
    await settled();
    assert.deepEqual(await kept(), [], "what is deleted is not written behind that");
    clock.mock.mockImplementation(() => 0);
  }
});

test("what is new while the device cannot be read is written once it has been", async () => {
  const { history, told, state, hear, kept } = page();
  await settled();
  state.unreadable = true;
  await history.load("alice");
  await hear("one");
  history.hurry();
  await settled();
  assert.deepEqual([await kept(), told, history.failing], [[], ["failed"], true]);
  state.unreadable = false;
  await history.load("alice");
  await settled();
  assert.deepEqual([await kept(), history.failing, history.keeping], [["one"], false, true]);
});

test("what is new before the database has opened is written then, and a browser that keeps nothing has nothing waiting", async () => {
  const { database, control } = databaseInMemory();
  for (const found of [database, undefined]) {
    let open = (_: typeof found) => {};
    const history = new History(new Promise((resolve) => (open = resolve)), () => false, () => {}, () => {});
    const bob = new Conversation("bob", "here");
    history.save("alice", bob, [bob.add({ kind: "received", author: "bob", text: "early" } as const)]);
    await settled();
    assert.equal(history.keeping, false);
    open(found);
    await settled();
    assert.deepEqual([history.keeping, history.failing, control.writes], [found !== undefined, false, 1]);
  }
});
