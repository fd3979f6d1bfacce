import assert from "node:assert/strict";
import { test } from "node:test";
import type { Call } from "../call/call.js";
import type { CallEnd } from "../call/ends.js";
import { Conversation, type Delivery, type Entry } from "../conversation/conversation.js";
import type { Keeper, LoadedConversation } from "../conversation/history.js";
import type { FileMessage } from "../files/frames.js";
import type { Store } from "../files/sinks.js";
import type { BulkChannel } from "../files/link.js";
import type { Transfer } from "../files/transfer.js";
import { Account, type AccountHost } from "./account.js";
import type { LiveConversation } from "./liveconversation.js";

/** Alice's account, and what it does with the page and the device. */
function page() {
  const device = {
    keeping: true,
    loaded: [] as LoadedConversation[],
    since: [] as Entry[],
    progress: new Map<number, Delivery>(),
    saved: [] as Entry[][],
    drafts: 0,
    deleted: [] as string[],
    fails: false,
  };
  const state = { attended: true, readReceipts: true, watched: [] as string[], arrived: [] as string[], alerts: [] as string[] };
  const keeper = {
    get keeping() {
      return device.keeping;
    },
    load: async () => [...device.loaded],
    since: async () => {
      if (device.fails) throw new DOMException("no");
      return { entries: device.since, more: false };
    },
    progress: async () => {
      if (device.fails) throw new DOMException("no");
      return device.progress;
    },
    save: (_me, _conversation, entries) => device.saved.push([...entries]),
    saveSoon: () => device.drafts++,
    delete: async (_me, key) => {
      device.deleted.push(key);
      if (device.fails) throw new DOMException("no");
    },
  } as Partial<Keeper> as Keeper;
  const host: AccountHost = {
    keeper,
    files: { limit: async () => 0 } as Partial<Store> as Store,
    settings: { choices: state },
    service: { watch: (peers) => (state.watched = [...peers]) },
    attended: () => state.attended,
    asks: () => false,
    arrived: ({ peer }) => state.arrived.push(peer),
    alert: ({ key }) => state.alerts.push(key),
    changed() {},
  };
  return { account: new Account("alice", host), device, state };
}

/** An open call of a conversation, and what the account does with it. */
function open(conversation: LiveConversation) {
  const log: string[] = [];
  const call = {
    phase: "open",
    peer: conversation.peer,
    typing: (typing: boolean) => log.push(typing ? "types" : "stops typing"),
    flush: () => log.push("flushes"),
    markRead: () => log.push("marks read"),
    end: (end: CallEnd) => log.push(end),
  } as unknown as Call;
  conversation.begin(call);
  return { call, log };
}

const settled = () => new Promise((resolve) => setTimeout(resolve));
const text = (said: string) => ({ kind: "received", author: "bob", text: said }) as const;

test("what arrives is unread until the person sees it, and then the other is told once", async () => {
  const { account, device, state } = page();
  const bob = account.with("bob");
  const { log } = open(bob);
  bob.correspondence.take("bob's page", 2);
  account.arrived(bob, text("one"));
  account.arrived(bob, text("two"));
  assert.deepEqual([bob.unread, state.arrived, device.saved.length], [2, ["bob", "bob"], 2]);
  state.attended = false;
  account.show(bob);
  assert.equal(bob.unread, 2, "the person looks elsewhere");
  state.attended = true;
  account.seen(bob);
  assert.equal(bob.unread, 0);
  account.arrived(bob, text("three"));
  assert.deepEqual([bob.unread, state.arrived.length], [0, 2]);
  await settled();
  assert.deepEqual(log, ["marks read"]);
});

test("whoever sends no read receipts sees none", async () => {
  const { account, state } = page();
  const bob = account.with("bob");
  const { log } = open(bob);
  account.send(bob, "alice", "hello");
  account.delivered(bob, bob.correspondence.confirm(1), "delivered");
  bob.correspondence.take("bob's page", 1);
  state.readReceipts = false;
  account.show(bob);
  account.read(bob, 1);
  await settled();
  const delivery = () => bob.entries.map((entry) => entry.kind === "own" && entry.delivery);
  assert.deepEqual([log.includes("marks read"), delivery()], [false, ["delivered"]]);
  state.readReceipts = true;
  account.read(bob, 1);
  assert.deepEqual(delivery(), ["read"]);
});

test("a text is written to the device before it goes out", () => {
  const { account, device } = page();
  const bob = account.with("bob");
  const { log } = open(bob);
  account.show(bob);
  account.type("hello");
  account.send(bob, "alice", "hello");
  assert.deepEqual(log, ["types", "stops typing", "flushes"]);
  assert.deepEqual([bob.draft, device.drafts, device.saved.flat().length, bob.undelivered], ["", 1, 1, true]);
});

test("what is being written to nobody yet is for whoever comes once the person has tried to send it, or has stopped", () => {
  const { account } = page();
  account.type("a text");
  assert.equal(account.writing, true);
  account.type("");
  assert.equal(account.writing, false);
  account.type("another");
  account.show(account.with("bob"));
  account.type("and on");
  assert.equal(account.writing, false);
});

test("a draft for nobody goes into the conversation that comes to the front, and stays with no login", () => {
  const { account } = page();
  account.type("for whoever comes");
  const bob = account.with("bob");
  account.show(bob);
  assert.deepEqual([account.draft, bob.draft], ["", "for whoever comes"]);
  account.show(undefined);
  account.type("another");
  account.show(bob);
  assert.deepEqual([account.draft, bob.draft], ["another", "for whoever comes"], "nothing is overwritten");
  account.signedOut();
  assert.deepEqual([account.draft, account.front], ["", undefined]);
});

test("a conversation that comes to nothing goes, and the one before comes back", async () => {
  const { account, device, state } = page();
  const bob = account.with("bob");
  account.show(bob);
  const misspelled = account.with("carrol");
  const { call } = open(misspelled);
  account.showCalled(misspelled);
  account.dropIfEmpty(misspelled);
  assert.equal(account.front, misspelled, "its call is still on");
  misspelled.ended(call);
  account.type("a draft");
  account.dropIfEmpty(misspelled);
  assert.equal(account.front, misspelled, "a draft stays with it");
  account.type(" ");
  account.dropIfEmpty(misspelled);
  assert.equal(account.front, bob);
  assert.deepEqual([account.find("carrol"), device.deleted, state.watched], [undefined, ["carrol"], ["bob"]]);

  account.showCalled(account.with("dora"));
  await account.delete(bob);
  account.dropIfEmpty(account.with("dora"));
  assert.equal(account.front, undefined, "the one before is gone too");
});

test("what was in front before a call that the person has left does not come back much later", () => {
  const { account } = page();
  account.show(account.with("bob"));
  account.showCalled(account.with("carol"));
  account.send(account.with("carol"), "alice", "hello");
  account.show(account.with("stranger"));
  account.dropIfEmpty(account.with("stranger"));
  assert.equal(account.front, undefined);
});

test("a conversation whose entries are on the device alone is not empty", async () => {
  const { account, device } = page();
  device.loaded = [{ kept: structuredClone(new Conversation("bob", "another tab").kept), entries: [], more: true }];
  await account.load();
  account.dropIfEmpty(account.find("bob")!);
  assert.notEqual(account.find("bob"), undefined);
  assert.deepEqual(device.deleted, []);
});

test("what comes late to a conversation that is deleted is not written to the device", async () => {
  const { account, device } = page();
  const bob = account.with("bob");
  account.send(bob, "alice", "hello");
  device.progress = new Map([[1, "delivered"]]);
  const caughtUp = account.catchUp(bob);
  const deleted = account.delete(bob);
  device.saved.length = 0;
  account.with("bob");
  await Promise.all([caughtUp, deleted]);
  assert.deepEqual([device.saved, device.deleted], [[], ["bob"]]);
});

test("what is gone does not come to the front, and what is there stays in front", async () => {
  const { account } = page();
  const bob = account.with("bob");
  const carol = account.with("carol");
  account.show(bob);
  await account.delete(carol);
  account.show(carol);
  assert.equal(account.front, bob);
});

test("what the device cannot delete is said", async () => {
  const { account, device, state } = page();
  device.fails = true;
  await account.delete(account.with("bob"));
  assert.deepEqual(state.alerts, ["deviceFailed"]);
});

test("that the device cannot be read is said to whoever asked for it, and not when a device in trouble comes back", async () => {
  const { account, device, state } = page();
  account.with("bob");
  device.fails = true;
  await account.writeAgain(true);
  assert.deepEqual(state.alerts, []);
  await account.refresh();
  assert.deepEqual(state.alerts, ["deviceFailed"]);
});

test("a call belongs to the conversation that it began in", async () => {
  const { account } = page();
  const bob = account.with("bob");
  const { call } = open(bob);
  assert.equal(account.carriedBy(call), bob);
  bob.ended(call);
  assert.equal(account.carriedBy(call), bob, "receipts still arrive on it");
  await account.delete(bob);
  account.with("bob");
  assert.equal(account.carriedBy(call), undefined);
});

test("what is here stays on Join, unless another tab has gone on with it", async () => {
  const { account, device } = page();
  const here = account.with("bob");
  account.arrived(here, text("here"));
  device.loaded = [{ kept: structuredClone(here.kept), entries: [], more: false }];
  await account.load();
  assert.equal(account.find("bob"), here);

  const tab = new Conversation("bob", "another tab", structuredClone(here.kept), structuredClone(here.entries));
  tab.add(text("there"));
  device.loaded = [{ kept: structuredClone(tab.kept), entries: structuredClone(tab.entries), more: true }];
  await account.load();
  const found = account.find("bob")!;
  assert.deepEqual(found.entries.map((entry) => entry.kind === "received" && entry.text), ["here", "there"]);
  assert.equal(found.hasEarlier, true);
});

test("what another tab has delivered does not go out from here again", async () => {
  const { account, device } = page();
  const bob = account.with("bob");
  for (const said of ["one", "two", "three"]) account.send(bob, "alice", said);
  device.progress = new Map([[1, "delivered"], [2, "read"], [3, "sending"]]);
  await account.catchUp(bob);
  assert.deepEqual(bob.correspondence.waiting.map(({ text }) => text), ["three"]);
  assert.deepEqual(bob.entries.map((entry) => entry.kind === "own" && entry.delivery), ["delivered", "read", "sending"]);
  device.fails = true;
  await account.catchUp(bob);
  assert.deepEqual(bob.correspondence.waiting.map(({ text }) => text), ["three"], "what the device does not know goes out");
});

test("what another tab has done while it had the login is here afterwards, and what is on here goes on", async () => {
  const { account, device } = page();
  const [bob, carol] = [account.with("bob"), account.with("carol")];
  account.show(bob);
  account.type("an old draft");
  const { call } = open(carol);
  account.arrived(carol, text("here"));
  const tab = (here: LiveConversation) => {
    const there = new Conversation(here.peer, "another tab", structuredClone(here.kept), structuredClone(here.entries));
    there.add(text("there"));
    there.draft = "a newer draft";
    return there;
  };
  const [bobThere, carolThere] = [tab(bob), tab(carol)];
  const loaded = (there: Conversation) => ({ kept: structuredClone(there.kept), entries: structuredClone(there.entries) as Entry[], more: false });
  device.loaded = [loaded(carolThere), loaded(bobThere), loaded(new Conversation("dora", "another tab"))];
  device.since = structuredClone(carolThere.entries) as Entry[];
  await account.refresh();
  assert.deepEqual(account.conversations.map(({ peer }) => peer), ["carol", "bob", "dora"]);
  assert.equal(account.front, account.find("bob"), "what was in front stays in front");
  assert.equal(account.front!.draft, "a newer draft");
  assert.equal(account.find("carol"), carol);
  assert.equal(account.carriedBy(call), carol);
  assert.deepEqual(carol.entries.map((entry) => entry.kind === "received" && entry.text), ["here", "there"]);
});

test("how a file ended is written to the device, and how far it got is not", async () => {
  const { account, device } = page();
  const bob = account.with("bob");
  const transfers = account.transfers(bob);
  const said: FileMessage[] = [];
  const bulk = { readyState: "connecting", bufferedAmount: 0 } as BulkChannel;
  transfers.attach({ instance: "bob's page", bulk, control: (message) => said.push(message), garbled() {} });
  transfers.receive({ file: "limit", bytes: 1_000 });
  account.offer(bob, "alice", new File(["hello"], "hello.txt"));
  const [entry] = bob.entries as [Entry & { kind: "file" }];
  const offer = said.find(({ file }) => file === "offer") as FileMessage & { file: "offer" };
  transfers.receive({ file: "accept", id: offer.id, offset: 0 });
  assert.notEqual(entry.file.state, "offered");
  assert.deepEqual(device.saved, [[entry]]);
  transfers.cancel(entry.file as Transfer);
  assert.deepEqual([device.saved.length, device.saved.at(-1), entry.file.state], [2, [entry], "cancelled"]);
  await account.close();
  assert.deepEqual(account.conversations, []);
});

test("presence is what the service says, and nothing after a new Join until it says it again", () => {
  const { account, state } = page();
  const [bob, carol, dora] = [account.with("bob"), account.with("carol"), account.with("dora")];
  account.presence(["bob", "stranger"], ["Carol"]);
  assert.deepEqual([bob.online, carol.online, dora.online], [true, false, undefined]);
  assert.equal(account.conversations.length, 3);
  account.joined();
  assert.equal(bob.online, undefined);
  assert.deepEqual(state.watched.sort(), ["bob", "carol", "dora"]);
});

test("whoever sends more text than there is memory for is disconnected", () => {
  const { account, device } = page();
  const bob = account.with("bob");
  const { log } = open(bob);
  const long = "x".repeat(60_000_000);
  for (let i = 0; i < 3; i++) account.arrived(bob, text(long));
  assert.deepEqual(log, [], "the device has the older ones");
  device.keeping = false;
  for (let i = 0; i < 3; i++) account.arrived(bob, text(long));
  assert.equal(log.at(-1), "garbled");
});
