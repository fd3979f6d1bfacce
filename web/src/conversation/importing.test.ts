import assert from "node:assert/strict";
import { before, test } from "node:test";
import { databaseInMemory, fakeKeyRanges } from "./database.fixture.js";
import { Conversation, type Entry } from "./conversation.js";
import { ImportRefused, readDocument } from "./exported.js";
import { History } from "./history.js";
import type { ImportSummary } from "./importing.js";
import { settled } from "../signaling/settled.fixture.js";

before(fakeKeyRanges);

/** A browser in which somebody is alice. */
async function browser() {
  const { database, control } = databaseInMemory();
  const state = { offTheRecord: false };
  const history = new History(Promise.resolve(database), () => state.offTheRecord, () => {}, () => {});
  await settled();
  return {
    control,
    state,
    history,
    database,
    /** Writes an entry in the conversation with bob, at a time of the clock. */
    async add(text: string, time: number, more: object = { kind: "received", author: "bob" }) {
      const entry = { id: `${text} ${time} ${Math.random()}`, time: new Date(time), text, ...more } as Entry;
      history.save("alice", new Conversation("bob", "alice's page", (await history.load("alice"))[0]?.kept), [entry]);
      await history.flush();
    },
    async export(): Promise<string> {
      return JSON.stringify(await history.export(new Date()), undefined, 2);
    },
    async import(text: string): Promise<ImportSummary> {
      const document = await readDocument(new Blob([text]));
      const planned = await history.import(document, true);
      const done = await history.import(document, false);
      assert.deepEqual(done, planned, "it does what it has said");
      return done;
    },
    async texts(peer = "bob"): Promise<string[]> {
      const found = (await history.load("alice")).find(({ kept }) => kept.peer === peer);
      return (found?.entries ?? []).map((entry) => ("text" in entry ? entry.text : entry.kind === "file" ? entry.file.name : entry.kind));
    },
  };
}

const T = Date.UTC(2026, 10, 27, 12);

/** A document as the version before sequences saved it. */
function document(entries: object[], own = "alice", other = "Bob"): string {
  return JSON.stringify({ format: "p2p-messaging-history/1", exported: "2026-11-27T12:00:00.000Z", conversations: [{ own, other, entries }] }, undefined, 2);
}

const received = (text: string, time = "2026-11-27T12:00:00.000Z") => ({ time, author: "bob", own: false, text });

test("another browser gets everything, in order, and what is imported once more changes nothing", async () => {
  const one = await browser();
  const file = { name: "notes.pdf", size: 7, type: "application/pdf", state: "done" };
  await one.add("first", T + 5_000);
  await one.add("the clock was set back", T - 3_600_000);
  await one.add("same", T);
  await one.add("same", T);
  await one.add("<b>mine</b>", T + 1, { kind: "own", author: "Alice", delivery: "sending", letter: 3 });
  await one.add("read", T + 2, { kind: "own", author: "alice", delivery: "read", letter: 4 });
  await one.add("", T + 3, { kind: "file", author: "bob", own: false, file });
  await one.add("", T + 4, { kind: "note", phrase: { key: "noteLeft", args: ["bob"] } });
  const exported = await one.export();

  const two = await browser();
  assert.deepEqual(await two.import(exported), { logins: ["alice"], conversations: 1, messages: 7, added: 7 });
  const want = ["first", "the clock was set back", "same", "same", "<b>mine</b>", "read", "notes.pdf"];
  assert.deepEqual(await two.texts(), want);
  const [{ kept, entries }] = (await two.history.load("alice")) as unknown as [{ kept: Conversation["kept"]; entries: Entry[] }];
  assert.deepEqual([kept.peer, kept.draft, kept.unread, kept.correspondence.waiting], ["bob", "", 0, []]);
  assert.deepEqual(entries.flatMap((entry) => (entry.kind === "own" ? [entry.delivery] : [])), ["undelivered", "read"], "nothing is sent from here");
  assert.deepEqual(entries.flatMap((entry) => (entry.kind === "file" ? [entry.file] : [])), [file]);

  for (const again of [exported, await two.export()]) {
    assert.equal((await two.import(again)).added, 0);
    assert.deepEqual(await two.texts(), want);
    assert.equal((await one.import(again)).added, 0);
  }
  assert.deepEqual(await one.texts(), [...want, "note"]);
});

test("what two browsers have is merged by order, whichever way and however often", async () => {
  const [one, two] = [await browser(), await browser()];
  for (const [text, time] of [["a", 1], ["b", 2], ["c", 30]] as const) await one.add(text, T + time);
  await two.import(await one.export());
  await one.add("one, later", T + 50);
  await one.add("one, clock set back", T - 100);
  await two.add("two, later", T + 40);
  await two.add("two, last", T + 60);
  const [first, second] = [await one.export(), await two.export()];
  assert.equal((await one.import(second)).added, 2);
  assert.equal((await two.import(first)).added, 2);
  const want = ["a", "b", "c", "two, later", "one, later", "one, clock set back", "two, last"];
  assert.deepEqual(await one.texts(), want);
  assert.deepEqual(await two.texts(), want);
  for (const document of [first, second]) {
    assert.equal((await one.import(document)).added, 0);
    assert.equal((await two.import(document)).added, 0);
  }
  await one.add("goes on", T);
  assert.equal((await one.texts()).at(-1), "goes on");
});

test("a browser that has a part gets the rest, in its place", async () => {
  const whole = document(Array.from({ length: 500 }, (_, i) => received(`message ${i}`, new Date(T + Math.floor(i / 3)).toISOString())));
  const want = Array.from({ length: 500 }, (_, i) => `message ${i}`);
  const some = await browser();
  for (const i of [7, 8, 100, 101, 102, 498]) await some.add(`message ${i}`, T + Math.floor(i / 3));
  assert.equal((await some.import(whole)).added, 494);
  const records = (await some.database.all("entries")) as { text: string }[];
  assert.deepEqual(records.map(({ text }) => text), want);
  // What follows in the same millisecond as many others stays in order, too.
  const same = document(Array.from({ length: 300 }, (_, i) => received(`${i % 3}`)));
  const empty = await browser();
  assert.equal((await empty.import(same)).added, 300);
  assert.equal((await empty.import(same)).added, 0);
});

test("an import is done as a whole or not at all, and not off the record", async () => {
  const { history, control, state, texts, import: bringIn } = await browser();
  const parsed = await readDocument(new Blob([document([received("one"), received("two")])]));
  control.fails = new DOMException("no room", "QuotaExceededError");
  await assert.rejects(history.import(parsed, false), { name: "QuotaExceededError" });
  control.fails = undefined;
  assert.deepEqual([await texts("Bob"), await history.load("alice")], [[], []]);
  state.offTheRecord = true;
  await assert.rejects(history.import(parsed, true), ImportRefused);
  state.offTheRecord = false;
  assert.equal((await bringIn(document([received("one")]))).added, 1);
  assert.deepEqual(await texts("Bob"), ["one"]);
  const nothing = new History(Promise.resolve(undefined), () => false, () => {}, () => {});
  await assert.rejects(nothing.import(parsed, true), ImportRefused);
});

test("a document that has one conversation twice, under two spellings, is one conversation", async () => {
  const { import: bringIn, history } = await browser();
  const twice = JSON.parse(document([received("one"), received("two", "2026-11-27T12:00:02.000Z")]));
  twice.conversations.push({ own: "ALICE", other: "BOB", entries: [received("one"), received("between", "2026-11-27T12:00:01.000Z")] });
  assert.deepEqual(await bringIn(JSON.stringify(twice)), { logins: ["alice"], conversations: 1, messages: 3, added: 3 });
  const [{ entries }] = (await history.load("alice")) as unknown as [{ entries: Entry[] }];
  assert.deepEqual(entries.map((entry) => "text" in entry && entry.text), ["one", "between", "two"]);
});

test("what is not its own is refused, in words", async () => {
  const good = received("hello");
  const whole = document([good]);
  const own = { ...good, own: true, author: "alice", delivery: "read" };
  const file = { name: "a", size: 1, type: "", state: "done" };
  const withFile = (some: object) => document([{ time: good.time, author: "bob", own: false, file: { ...file, ...some } }]);
  const cases: [string, string | Uint8Array<ArrayBuffer>, string][] = [
    ["nothing", "", "importForeign"],
    ["no JSON", "hello", "importForeign"],
    ["a picture", new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0xff, 0xfe]), "importForeign"],
    ["JSON of another program", '{"messages":[]}', "importForeign"],
    ["a list", "[]", "importForeign"],
    ["null", "null", "importForeign"],
    ["a text", '"p2p-messaging-history/1"', "importForeign"],
    ["another format", whole.replace("p2p-messaging-history/1", "history/1"), "importForeign"],
    ["a later version", whole.replace("history/1", "history/2"), "importTooNew"],
    ["a truncated file", whole.slice(0, -20), "importIncomplete"],
    ["half a file", whole.slice(0, whole.length / 2), "importIncomplete"],
    ["no conversations", '{"format":"p2p-messaging-history/1"}', "importDamaged"],
    ["a conversation that is a number", '{"format":"p2p-messaging-history/1","conversations":[7]}', "importDamaged"],
    ["no login", document([good], ""), "importDamaged"],
    ["a login of spaces", document([good], "alice", "  "), "importDamaged"],
    ["a login with a line break", document([good], "alice", "bob\n"), "importDamaged"],
    ["a login that changes the direction", document([good], "alice", "b\u202eob"), "importDamaged"],
    ["half a character", document([good], "alice", "bob\ud800"), "importDamaged"],
    ["a login that is too long", document([good], "alice", "b".repeat(1025)), "importDamaged"],
    ["a login that is an object", whole.replace('"alice"', '{"toString":1}'), "importDamaged"],
    ["oneself", document([good], "alice", "ALICE"), "importDamaged"],
    ["an entry that is null", document([null as unknown as object]), "importDamaged"],
    ["somebody else's message", document([{ ...good, author: "carol" }]), "importDamaged"],
    ["no side", document([{ ...good, own: "true" }]), "importDamaged"],
    ["a text that is a number", document([{ ...good, text: 7 }]), "importDamaged"],
    ["a text that is too long", document([{ ...good, text: "x".repeat(16 * 1024 * 1024 + 1) }]), "importDamaged"],
    ["an unknown delivery", document([{ ...own, delivery: "eaten" }]), "importDamaged"],
    ["a time that is a number", document([{ ...good, time: 0 }]), "importDamaged"],
    ["a time before clocks", document([received("x", "0001-01-01T00:00:00.000Z")]), "importDamaged"],
    ["a time far off", document([received("x", "9999-12-31T23:59:59.999Z")]), "importDamaged"],
    ["no hour", document([received("x", "2026-02-28T25:00:00.000Z")]), "importDamaged"],
    ["no day", document([received("x", "2026-02-31T12:00:00.000Z")]), "importDamaged"],
    ["a file of no size", withFile({ size: -1 }), "importDamaged"],
    ["a file too large to count", withFile({ size: 1e300 }), "importDamaged"],
    ["a file on its way", withFile({ state: "receiving" }), "importDamaged"],
    ["a file with a long name", withFile({ name: "x".repeat(1025) }), "importDamaged"],
    ["fields by inheritance", '{"format":"p2p-messaging-history/1","__proto__":{"conversations":[]}}', "importDamaged"],
    ["an entry by inheritance", document([]).replace('"entries": []', '"entries": [{"__proto__":{"time":"2026-11-27T12:00:00.000Z","author":"bob","own":false,"text":"x"}}]'), "importDamaged"],
    ["too many lists", `{"format":"p2p-messaging-history/1","conversations":[${"[],".repeat(5_000_001)}[]]}`, "importTooLarge"],
    ["too many conversations", `{"format":"p2p-messaging-history/1","conversations":[${"[],".repeat(10_000)}[]]}`, "importTooLarge"],
    ["lists in lists", `{"format":"p2p-messaging-history/1","conversations":${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}}`, "importDamaged"],
  ];
  for (const [what, content, why] of cases) {
    await assert.rejects(
      readDocument(new Blob([content])),
      (error) => error instanceof ImportRefused && error.said.key === why,
      `${what} should be refused with ${why}`,
    );
  }
  await assert.rejects(readDocument({ size: 257 * 1024 * 1024 } as Blob), (error) => error instanceof ImportRefused && error.said.key === "importTooLarge");
  await assert.rejects(readDocument(new Blob([document([good, { ...good, text: 1 }])])), (error) => error instanceof ImportRefused && error.said.args[0] === "conversations[0].entries[1].text");
  assert.equal(({} as Record<string, unknown>)["conversations"], undefined);
  // A byte order mark, other spaces and fields of later versions are no reason.
  const [{ entries }] = (await readDocument(new Blob(["\ufeff", JSON.stringify({ ...JSON.parse(whole), added: "later" })]))) as unknown as [{ entries: unknown[] }];
  assert.equal(entries.length, 1);
});
