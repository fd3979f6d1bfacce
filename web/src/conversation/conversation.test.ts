import assert from "node:assert/strict";
import { test } from "node:test";
import type { Transfer } from "../files/transfer.js";
import { Conversation, type Entry, type OwnEntry } from "./conversation.js";

/** A conversation in which `texts` have been posted. */
function posted(...texts: string[]): { conversation: Conversation; entries: OwnEntry[] } {
  const conversation = new Conversation("bob", "alice's page");
  const entries = texts.map((text) => {
    const letter = conversation.correspondence.post(text).id;
    return conversation.add({ kind: "own", author: "alice", text, delivery: "sending", letter } as const) as OwnEntry;
  });
  return { conversation, entries };
}

function deliveries(entries: readonly OwnEntry[]): string[] {
  return entries.map(({ delivery }) => delivery);
}

test("a message is delivered, then read, and nothing takes that back", () => {
  const { conversation, entries } = posted("one", "two", "three");
  assert.equal(conversation.mark(new Set([1, 2]), "delivered").length, 2);
  assert.deepEqual(deliveries(entries), ["delivered", "delivered", "sending"]);
  assert.deepEqual(conversation.markRead(1), [entries[0]]);
  assert.deepEqual(deliveries(entries), ["read", "delivered", "sending"]);
  assert.deepEqual(conversation.mark(new Set([1]), "delivered"), []);
  assert.deepEqual(conversation.markRead(1), [], "it is no news the second time");
  assert.deepEqual(deliveries(entries), ["read", "delivered", "sending"]);
});

test("nobody has read what was not delivered, or never sent", () => {
  const { conversation, entries } = posted("one", "two");
  for (const id of [0, 1, 2, 3, 2 ** 32 - 1]) assert.deepEqual(conversation.markRead(id), [], `read mark for ${id}`);
  assert.deepEqual(conversation.mark(new Set([3, 2 ** 32 - 1]), "delivered"), []);
  assert.deepEqual(deliveries(entries), ["sending", "sending"]);
  conversation.mark(new Set([1]), "delivered");
  assert.deepEqual(conversation.markRead(2 ** 32 - 1), [entries[0]], "a mark far ahead covers what was delivered, no more");
  assert.deepEqual(deliveries(entries), ["read", "sending"]);
});

test("what was not delivered goes out from the next page, and its entries follow it", () => {
  const { conversation, entries } = posted("one", "two", "three");
  for (const letter of conversation.correspondence.confirm(1)) conversation.mark(new Set([letter.id]), "delivered");
  conversation.draft = "half a sent";
  conversation.unread = 2;
  const kept = structuredClone(conversation.kept);
  const next = new Conversation("bob", "alice's next page", kept, structuredClone(entries));
  assert.equal(next.draft, "half a sent");
  assert.equal(next.unread, 2);
  assert.deepEqual(next.correspondence.waiting.map(({ text }) => text), ["two", "three"]);
  const ids = next.correspondence.confirm(next.correspondence.waiting[0]!.id).map(({ id }) => id);
  assert.deepEqual(next.mark(new Set(ids), "delivered").map(({ text }) => text), ["two"]);
  assert.deepEqual(deliveries(next.entries as OwnEntry[]), ["delivered", "delivered", "sending"]);
});

test("what had arrived before the page was loaded anew does not go out again", () => {
  const { conversation, entries } = posted("one", "two");
  const next = new Conversation("bob", "alice's next page", structuredClone(conversation.kept), structuredClone(entries));
  const confirmed = next.correspondence.confirmHello({ instance: "alice's page", id: 1 });
  assert.deepEqual(confirmed.map(({ text }) => text), ["one"]);
  next.mark(new Set(confirmed.map(({ id }) => id)), "delivered");
  assert.deepEqual(deliveries(next.entries as OwnEntry[]), ["delivered", "sending"]);
});

test("where there is too much text the oldest entries are left to the device", () => {
  const received = (conversation: Conversation, text: string) => conversation.add({ kind: "received", author: "bob", text } as const);
  const long = "x".repeat(20_000_000);
  const conversation = new Conversation("bob", "alice's page");
  received(conversation, "the first");
  for (let i = 0; i < 3; i++) received(conversation, long);
  conversation.trim();
  assert.equal(conversation.entries.length, 4);
  assert.equal(conversation.hasEarlier, false);
  received(conversation, long);
  assert.equal(conversation.trim(), true);
  assert.deepEqual([conversation.entries.length, conversation.hasEarlier], [3, true]);

  // A message that waits for delivery is removed too. It comes back from the device with the state that it has by then.
  const { conversation: waiting, entries } = posted("delivered meanwhile", "waits");
  const kept = structuredClone(entries);
  for (let i = 0; i < 6; i++) received(waiting, long);
  assert.equal(waiting.trim(), true);
  assert.equal(waiting.entries.length, 3);
  waiting.correspondence.confirm(1);
  waiting.prepend(kept);
  assert.deepEqual(deliveries(waiting.entries.slice(0, 2) as OwnEntry[]), ["delivered", "sending"]);
  assert.deepEqual(waiting.mark(new Set([2]), "delivered").map(({ text }) => text), ["waits"]);

  // A file that is here or unfinished stays, and so do the entries after it, up to the limit.
  for (const file of [{ direction: "in", over: false }, { direction: "in", over: true, blob: new Blob() }]) {
    const held = new Conversation("bob", "alice's page");
    held.add({ kind: "file", author: "bob", own: false, file: file as Transfer } as const);
    for (let i = 0; i < 6; i++) received(held, long);
    assert.equal(held.trim(), true);
    received(held, long);
    assert.deepEqual([held.trim(), held.entries.length], [false, 8]);
  }
  const declined = new Conversation("bob", "alice's page");
  declined.add({ kind: "file", author: "bob", own: false, file: { direction: "in", over: true } as Transfer } as const);
  for (let i = 0; i < 7; i++) received(declined, long);
  assert.deepEqual([declined.trim(), declined.entries.length], [true, 3]);

  const one = new Conversation("bob", "alice's page");
  received(one, "x".repeat(100_000_000));
  one.trim();
  assert.equal(one.entries.length, 1);
});

test("entries without a text have a weight too: a flood of empty texts or of files that are withdrawn is left to the device, or is unbearable", () => {
  const withdrawn = { direction: "in", over: true } as Transfer;
  for (const entry of [{ kind: "received", author: "bob", text: "" }, { kind: "file", author: "bob", own: false, file: withdrawn }] as const) {
    const conversation = new Conversation("bob", "alice's page");
    for (let i = 0; i < 130_000; i++) conversation.add(entry);
    assert.equal(conversation.bearable, false, entry.kind);
    assert.equal(conversation.trim(), true, entry.kind);
    assert.ok(conversation.entries.length <= 64_000, `${conversation.entries.length} entries with a ${entry.kind}`);
  }
});

test("what another page has kept since is not of this conversation", () => {
  const { conversation: before } = posted("one");
  const conversation = new Conversation("bob", "alice's next page", structuredClone(before.kept));
  assert.ok(conversation.isOf(before.kept));
  assert.ok(conversation.isOf(conversation.kept));
  assert.ok(!conversation.isOf(new Conversation("bob", "alice's other tab", structuredClone(before.kept)).kept));
});

test("what waits stays so over many pages, under whatever number it was written down", () => {
  const { conversation, entries } = posted("one", "two", "two");
  for (const letter of conversation.correspondence.confirm(1)) conversation.mark(new Set([letter.id]), "delivered");
  const onDevice = structuredClone(entries); // Nobody writes them again.
  let kept = conversation.kept;
  for (let page = 2; page <= 30; page++) {
    const next = new Conversation("bob", `alice's page ${page}`, structuredClone(kept), structuredClone(onDevice));
    assert.deepEqual(deliveries(next.entries as OwnEntry[]), ["delivered", "sending", "sending"], `page ${page}`);
    assert.deepEqual(next.correspondence.waiting.map(({ text }) => text), ["two", "two"]);
    kept = next.kept;
  }
});

test("a file that another page began to receive continues in its entry", () => {
  const kept = { name: "x.bin", size: 7, type: "", state: "failed" } as const;
  const entries = (["page 1", "page 2", undefined] as const).map(
    (key, n): Entry => ({ id: String(n), time: new Date(n), kind: "file", author: "bob", own: false, file: key === undefined ? kept : { ...kept, key } }),
  );
  const own: Entry = { id: "o", time: new Date(), kind: "file", author: "alice", own: true, file: { ...kept, key: "page 2" } };
  const offer = (key: string, more: object = {}) => ({ direction: "in", key, name: "x.bin", size: 7, ...more }) as Transfer;
  const conversation = new Conversation("bob", "i", undefined, [own, ...entries]);
  const again = offer("page 2");
  assert.equal(conversation.continueFile(again), entries[1]);
  assert.equal((entries[1] as Entry & { kind: "file" }).file, again);
  // Another file, one that is on its way here already, and one that only has the same number.
  for (const other of [offer("page 3"), offer("page 2"), offer("page 1", { size: 8 }), offer("page 1", { name: "y.bin" })]) {
    assert.equal(conversation.continueFile(other), undefined);
  }
  assert.equal(conversation.entries.length, 4);
});

test("what is read or typed while the device writes stays read and typed", () => {
  const conversation = new Conversation("bob", "here");
  conversation.unread = 1;
  const arrived = conversation.keptOver(undefined);
  conversation.unread = 0; // The person reads it before it is written.
  conversation.draft = "typed meanwhile";
  conversation.wasKept(arrived);
  assert.deepEqual([conversation.unread, conversation.draft], [0, "typed meanwhile"]);
  const read = conversation.keptOver(arrived);
  assert.deepEqual([read.unread, read.draft], [0, "typed meanwhile"]);
  conversation.wasKept(read);
  // Another tab goes on.
  const there = { ...read, unread: 3, draft: "typed there", drafted: read.drafted + 1 };
  conversation.wasKept(conversation.keptOver(there));
  assert.deepEqual([conversation.unread, conversation.draft], [3, "typed there"]);
});
