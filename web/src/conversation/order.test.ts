import assert from "node:assert/strict";
import { before, mock, test } from "node:test";
import { Conversation, type Entry } from "./conversation.js";
import { databaseInMemory, fakeKeyRanges } from "./database.fixture.js";
import { History } from "./history.js";
import { settled } from "../signaling/settled.fixture.js";

before(fakeKeyRanges);

/** A device, and pages of it. */
function device() {
  const { database, control } = databaseInMemory();
  const state = { offTheRecord: false, told: [] as string[] };
  const page = async () => {
    const history = new History(Promise.resolve(database), () => state.offTheRecord, () => state.told.push("full"), () => state.told.push("failed"));
    await settled();
    return history;
  };
  return { database, control, state, page };
}

let pages = 0;

/** The conversation with somebody, as a page loads it. */
async function load(history: History, peer = "bob"): Promise<Conversation> {
  const found = (await history.load("alice")).find(({ kept }) => kept.peer === peer);
  const conversation = new Conversation(peer, `page ${++pages}`, found?.kept, found?.entries);
  conversation.hasEarlier = found?.more ?? false;
  return conversation;
}

function hear(history: History, conversation: Conversation, text: string): Entry {
  const entry = conversation.add({ kind: "received", author: conversation.peer, text } as const);
  history.save("alice", conversation, [entry]);
  return entry;
}

const texts = ({ entries }: { entries: readonly Entry[] }) => entries.map((entry) => ("text" in entry ? entry.text : entry.kind));

test("order is the order of arrival, however the clock jumps, and nothing is shown twice or left out", async () => {
  const hour = 3_600_000;
  for (const jump of [-hour, hour, 0, -365 * 24 * hour]) {
    mock.timers.enable({ apis: ["Date"], now: Date.UTC(2026, 10, 27, 12) });
    try {
      const { page } = device();
      let history = await page();
      let bob = await load(history);
      const want: string[] = [];
      for (let i = 0; i < 700; i++) {
        // Several times the clock jumps, and between two jumps everything is of one millisecond.
        if (i % 150 === 149) mock.timers.setTime(Date.now() + jump);
        hear(history, bob, `message ${i}`);
        want.push(`message ${i}`);
        if (i % 97 === 0) await history.flush();
      }
      await history.flush();
      // "Show earlier" in the page that has written them, after it has given up the oldest.
      bob.entries.splice(0, 650);
      const show = async () => {
        for (;;) {
          const { entries, more } = await history.earlier("alice", bob);
          bob.prepend(entries);
          if (!more) return texts(bob);
        }
      };
      assert.deepEqual(await show(), want, `the clock jumps by ${jump} ms`);
      history = await page();
      bob = await load(history);
      assert.equal(bob.entries.length, 200);
      hear(history, bob, "the last");
      assert.deepEqual(await show(), [...want, "the last"], `the clock jumps by ${jump} ms, and the page is loaded anew`);
    } finally {
      mock.timers.reset();
    }
  }
});

test("the conversation with the newest entry comes first, whatever the clock said", async () => {
  mock.timers.enable({ apis: ["Date"], now: Date.UTC(2026, 10, 27, 12) });
  try {
    const { page } = device();
    const history = await page();
    hear(history, await load(history, "bob"), "first");
    await history.flush();
    mock.timers.setTime(Date.UTC(2026, 10, 27, 11));
    hear(history, await load(history, "carol"), "second");
    await history.flush();
    assert.deepEqual((await history.load("alice")).map(({ kept }) => kept.peer), ["carol", "bob"]);
  } finally {
    mock.timers.reset();
  }
});

test("two tabs that write at once lose nothing and put nothing twice", async () => {
  const { page } = device();
  const [one, two] = [await page(), await page()];
  const [here, there] = [await load(one), await load(two)];
  for (let i = 0; i < 50; i++) {
    hear(one, here, `here ${i}`);
    hear(two, there, `there ${i}`);
    if (i % 7 === 0) await settled();
  }
  await Promise.all([one.flush(), two.flush()]);
  const all = texts(await load(await page()));
  assert.equal(new Set(all).size, 100);
  assert.equal(all.length, 100);
  for (const tab of ["here", "there"]) assert.deepEqual(all.filter((text) => text.startsWith(tab)), Array.from({ length: 50 }, (_, i) => `${tab} ${i}`));
});

test("a message keeps its place when its state changes, and another tab's news of it stands", async () => {
  const { page } = device();
  const [one, two] = [await page(), await page()];
  const here = await load(one);
  const { id: letter } = here.correspondence.post("hello");
  const own = here.add({ kind: "own", author: "alice", text: "hello", delivery: "sending", letter } as const);
  one.save("alice", here, [own]);
  hear(one, here, "an answer");
  await one.flush();
  const there = await load(two);
  const copy = there.entries[0] as Entry & { kind: "own" };
  for (const confirmed of there.correspondence.confirm(there.correspondence.waiting[0]!.id)) two.save("alice", there, there.mark(new Set([confirmed.id]), "delivered"));
  await two.flush();
  assert.equal(copy.delivery, "delivered");
  assert.deepEqual([...(await one.progress("alice", here))], [[letter, "delivered"]], "the first tab finds out that it must not send it");
  one.save("alice", here, [own]);
  await one.flush();
  const after = await load(await page());
  assert.deepEqual(texts(after), ["hello", "an answer"]);
  assert.equal((after.entries[0] as Entry & { kind: "own" }).delivery, "delivered");
});

test("a tab that has fallen behind replaces no draft, no count and no text of another tab", async () => {
  const { page } = device();
  const [one, two] = [await page(), await page()];
  const here = await load(one);
  here.draft = "half a thought";
  here.unread = 2;
  one.save("alice", here, []);
  await one.flush();

  const there = await load(two);
  assert.deepEqual([there.draft, there.unread], ["half a thought", 2]);
  there.draft = "";
  there.unread = 0;
  const { id } = there.correspondence.post("half a thought, whole");
  two.save("alice", there, [there.add({ kind: "own", author: "alice", text: "half a thought, whole", delivery: "sending", letter: id } as const)]);
  await two.flush();

  // The first tab adds a note. It has typed and read nothing since.
  one.save("alice", here, [here.add({ kind: "note", phrase: { key: "noteLeft", args: ["bob"] } } as const)]);
  await one.flush();
  assert.deepEqual([here.draft, here.unread], ["", 0], "it learns what the other has done");
  const after = await load(await page());
  assert.deepEqual([after.draft, after.unread], ["", 0]);
  assert.deepEqual(after.correspondence.waiting.map(({ text }) => text), ["half a thought, whole"]);

  // What is typed in it now is newer, though.
  here.draft = "next";
  one.save("alice", here, []);
  await one.flush();
  assert.equal((await load(await page())).draft, "next");
});

test("a draft that is about to be written is written before the device is read", async () => {
  const { page } = device();
  const history = await page();
  const bob = await load(history);
  bob.draft = "typed just now";
  history.saveSoon("alice", bob);
  assert.equal((await load(history)).draft, "typed just now");
});

test("texts that two tabs have left wait together, and those that one has delivered do not come back", async () => {
  const { page } = device();
  const [one, two] = [await page(), await page()];
  const here = await load(one);
  const say = (history: History, conversation: Conversation, text: string) => {
    const letter = conversation.correspondence.post(text).id;
    history.save("alice", conversation, [conversation.add({ kind: "own", author: "alice", text, delivery: "sending", letter } as const)]);
  };
  say(one, here, "old 1");
  say(one, here, "old 2");
  await one.flush();
  const there = await load(two);
  say(two, there, "there");
  await two.flush();
  say(one, here, "here");
  await one.flush();
  // The second tab delivers what it knows of.
  for (const { id } of [...there.correspondence.waiting]) there.correspondence.confirm(id);
  two.save("alice", there, []);
  await two.flush();
  const after = await load(await page());
  assert.deepEqual(after.correspondence.waiting.map(({ text }) => text), ["here"]);
  // A page that has another instance by now confirms nothing of what this one has not sent.
  assert.deepEqual(after.correspondence.confirmHello({ instance: there.correspondence.instance, id: 2 ** 32 - 1 }), []);
});

test("off the record nothing new is kept, and what was sent or read meanwhile does not come back", async () => {
  const { page, state, database } = device();
  const history = await page();
  const bob = await load(history);
  hear(history, bob, "on the record");
  bob.draft = "a draft";
  bob.unread = 1;
  history.save("alice", bob, []);
  await history.flush();
  state.offTheRecord = true;
  const secret = bob.add({ kind: "received", author: "bob", text: "off the record" } as const);
  history.save("alice", bob, [secret]);
  bob.draft = "a secret draft";
  bob.unread = 0;
  history.save("alice", bob, []);
  await history.flush();
  assert.equal(bob.draft, "a secret draft", "it stays in the page");
  const kept = JSON.stringify([await database.all("conversations"), await database.all("entries")]);
  assert.doesNotMatch(kept, /secret|off the record/u);
  const after = await load(await page());
  assert.deepEqual([texts(after), after.draft, after.unread], [["on the record"], "", 0]);
  state.offTheRecord = false;
  history.save("alice", bob, [secret]);
  await history.flush();
  assert.deepEqual(texts(await load(await page())), ["on the record"], "it is not written later either");
});

test("a page takes over what an import or another tab has put between what it shows", async () => {
  const { page } = device();
  const [one, two] = [await page(), await page()];
  const here = await load(one);
  const letter = here.correspondence.post("mine").id;
  const own = here.add({ kind: "own", author: "alice", text: "mine", delivery: "sending", letter } as const);
  one.save("alice", here, [own]);
  await one.flush();
  const there = await load(two);
  hear(two, there, "from the other tab");
  await two.flush();
  hear(one, here, "and here");
  const { entries, more } = await one.since("alice", here);
  here.take(entries);
  assert.deepEqual([texts(here), more], [["mine", "from the other tab", "and here"], false]);
  assert.equal(here.entries[0], own, "what is here stays the same object");
  assert.deepEqual(here.mark(new Set([letter]), "delivered"), [own]);
});
