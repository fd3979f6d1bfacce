import assert from "node:assert/strict";
import { test } from "node:test";
import { Conversation } from "../conversation/conversation.js";
import { databaseInMemory, fakeKeyRanges } from "../conversation/database.fixture.js";
import { History } from "../conversation/history.js";
import { Account, type AccountHost } from "./account.js";

fakeKeyRanges();

test("what is said while the history cannot be read stays in the page once it can be", async () => {
  const { database } = databaseInMemory();
  const earlier = new Conversation("bob", "an earlier page");
  const history = (of: typeof database) => new History(Promise.resolve(of), () => false, () => {}, () => {});
  const written = history(database);
  written.save("alice", earlier, [earlier.add({ kind: "received", author: "bob", text: "old" } as const)]);
  await written.flush();

  const state = { readable: false };
  const read = ((...args) => (state.readable ? database.all(...args) : Promise.reject(new DOMException("no", "UnknownError")))) as typeof database.all;
  const keeper = history({ ...database, all: read });
  const account = new Account("alice", {
    keeper,
    settings: { choices: { readReceipts: true } },
    service: { watch() {} },
    attended: () => true,
    asks: () => false,
    arrived() {},
    alert() {},
    changed() {},
  } as Partial<AccountHost> as AccountHost);
  await account.load();
  const bob = account.with("bob");
  account.show(bob);
  account.arrived(bob, { kind: "received", author: "bob", text: "meanwhile" });
  account.send(bob, "alice", "unsent");
  state.readable = true;
  await account.writeAgain(false);
  const front = account.front!;
  const texts = front.entries.map((entry) => ("text" in entry ? entry.text : entry.kind));
  assert.deepEqual(new Set(texts), new Set(["old", "meanwhile", "unsent"]));
  assert.deepEqual([texts.length, front.correspondence.waiting.map(({ text }) => text), front.undelivered], [3, ["unsent"], true]);
});
