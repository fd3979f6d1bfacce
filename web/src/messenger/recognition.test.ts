import assert from "node:assert/strict";
import { test } from "node:test";
import type { Call } from "../call/call.js";
import type { CallEnd } from "../call/ends.js";
import { contactsInMemory } from "../identity/contacts.fixture.js";
import type { Phrase } from "../words.js";
import { LiveConversation } from "./liveconversation.js";
import { Recognition } from "./recognition.js";
import { settled } from "../signaling/settled.fixture.js";

/** Alice's page with a conversation with bob. Her contacts can be read when the test says so. */
function page() {
  const log: string[] = [];
  const { contacts, reading } = contactsInMemory();
  const conversation = new LiveConversation({ asks: () => false, changed() {} }, "bob", "alice's page");
  const account = {
    key: "alice",
    conversations: [conversation],
    carriedBy: (call: Call) => (conversation.has(call) ? conversation : undefined),
    note: (_conversation: LiveConversation, { key }: Phrase) => log.push(key),
  };
  const recognition = new Recognition(account, { contacts, changed() {}, accepted: () => log.push("accepted") });
  /** Bob calls, and proves to have the certificate `peer`. */
  const opens = (peer: string | undefined, { another = false } = {}) => {
    const call = {
      phase: "open",
      peer: "bob",
      bare: false,
      fingerprints: peer === undefined ? undefined : { own: "alice's", peer },
      showsAnother: async () => another,
      end: (end: CallEnd) => log.push(end),
    } as unknown as Call;
    conversation.begin(call);
    return { call, recognised: recognition.opened(call, conversation) };
  };
  return { log, reading, contacts, conversation, recognition, opens };
}

test("somebody new is accepted at once, and somebody who has changed when the person says so", async () => {
  const { log, conversation, recognition, opens } = page();
  await opens("old").recognised;
  await recognition.verify(conversation, true);
  assert.deepEqual(log, ["accepted", "noteVerified"]);

  log.length = 0;
  await opens("new").recognised;
  assert.deepEqual(log, ["noteIdentityChanged"]);
  assert.deepEqual(conversation.trust, { kind: "changed", fingerprints: { own: "alice's", peer: "new" }, lasting: true, wasVerified: true });
  await recognition.verify(conversation, true);
  assert.equal(conversation.trust?.kind, "changed", "there is nothing to verify before that");
  await recognition.goOn(conversation);
  assert.deepEqual(log, ["noteIdentityChanged", "accepted"]);
  await recognition.goOn(conversation);
  assert.equal(log.length, 2, "once");

  await opens("new").recognised;
  assert.deepEqual(conversation.trust, { kind: "accepted", fingerprints: { own: "alice's", peer: "new" }, lasting: true, verified: false });
});

test("what is verified stays so, and the person can take it back", async () => {
  const { contacts, conversation, recognition, opens } = page();
  for (const verified of [true, false]) {
    await opens("old").recognised;
    await recognition.verify(conversation, verified);
    contacts.forget(); // They are read from the device.
    await opens("old").recognised;
    assert.equal(conversation.trust?.kind === "accepted" && conversation.trust.verified, verified);
  }
});

test("what arrives waits for the warning, also where the call is over by then", async () => {
  const { log, reading, contacts, conversation, recognition, opens } = page();
  await opens("old").recognised;
  contacts.forget();
  log.length = 0;
  let read = () => {};
  reading.may = new Promise((resolve) => (read = resolve));
  const { call, recognised } = opens("new");
  recognition.once(call, () => log.push("one"));
  recognition.once(call, () => log.push("two"));
  conversation.ended(call);
  assert.equal(log.length, 0);
  read();
  await recognised;
  assert.equal(log.join(), "noteIdentityChanged,one,two");
  assert.equal(conversation.trust, undefined, "nobody is at the other end now");
  recognition.once(call, () => log.push("late"));
  assert.equal(log.at(-1), "late", "nothing waits any more");
  recognition.once({} as unknown as Call, () => log.push("of a conversation that was deleted"));
  assert.equal(log.at(-1), "late");
});

test("while what is remembered cannot be read nobody is accepted, until it has been read or the person decides", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  for (const [peer, kinds, said] of [
    ["old", ["accepted"], ["accepted"]],
    ["new", ["changed"], ["noteIdentityChanged"]],
  ] as const) {
    for (const decides of [false, true]) {
      const { log, reading, contacts, conversation, recognition, opens } = page();
      await opens("old").recognised;
      contacts.forget();
      log.length = 0;
      let read = () => {};
      reading.may = new Promise((resolve) => (read = resolve));
      const { call, recognised } = opens(peer);
      recognition.once(call, () => log.push("text"));
      await settled();
      context.mock.timers.tick(4_999);
      await settled();
      assert.deepEqual([log, conversation.trust], [[], undefined]);
      context.mock.timers.tick(1);
      await recognised;
      assert.deepEqual(log.splice(0), ["noteUnread", "text"]);
      assert.deepEqual(conversation.trust, { kind: "unread", damaged: false, fingerprints: { own: "alice's", peer }, lasting: true });
      await recognition.verify(conversation, true);
      assert.equal(conversation.trust?.kind, "unread", "there is nothing to verify before that");
      if (decides) {
        await recognition.goOn(conversation);
        assert.deepEqual(log.splice(0), ["accepted"]);
      }
      read();
      await settled();
      assert.deepEqual(conversation.trust?.kind, decides ? "accepted" : kinds[0]);
      assert.deepEqual(log, !decides ? said : kinds[0] === "changed" ? ["identity-changed"] : [], "a call with another identity does not go on");
      await opens(peer).recognised;
      assert.equal(conversation.trust?.kind, kinds[0], "the decision was for as long as nobody knew");
    }
  }
});

test("where a read fails the person decides, unless the device can be read again", async () => {
  const { log, reading, contacts, conversation, recognition, opens } = page();
  await opens("old").recognised;
  contacts.forget();
  log.length = 0;
  reading.may = Promise.reject(new DOMException("no", "UnknownError"));
  await opens("old").recognised;
  assert.deepEqual([log.splice(0), conversation.trust?.kind], [["noteUnread"], "unread"]);
  await recognition.readAgain();
  assert.equal(conversation.trust?.kind, "unread");
  reading.may = Promise.resolve();
  await recognition.readAgain();
  assert.deepEqual([log.splice(0), conversation.trust?.kind], [["accepted"], "accepted"]);
  await recognition.readAgain();
  assert.deepEqual(log, []);
});

for (const verified of [false, true]) {
  test(`what could not be read is compared once it can be, although the person has gone on${verified ? " and verified" : ""}`, async () => {
    const { log, reading, contacts, conversation, recognition, opens } = page();
    await opens("old").recognised;
    contacts.forget();
    reading.may = Promise.reject(new DOMException("no", "UnknownError"));
    await opens("new").recognised;
    await recognition.goOn(conversation);
    if (verified) await recognition.verify(conversation, true);
    log.length = 0;
    await recognition.readAgain();
    assert.deepEqual([log.splice(0), recognition.keeps(conversation)], [[], false], "it cannot be read yet");
    reading.may = Promise.resolve();
    await recognition.readAgain();
    await new Promise((resolve) => setImmediate(resolve));
    // Whoever has compared the safety number knows better than the device.
    assert.deepEqual(log, verified ? [] : ["identity-changed"]);
    assert.equal(recognition.keeps(conversation), verified);
  });
}

test("nothing goes out on a call that is over before it is known who was there", async () => {
  const { log, conversation, opens } = page();
  const { call, recognised } = opens("old");
  conversation.ended(call);
  await recognised;
  assert.deepEqual(log, []);
});

test("only a certificate that is accepted vouches for the next one", async () => {
  const { contacts, conversation, recognition, opens } = page();
  const first = opens("old");
  await first.recognised;
  const changed = opens("mallory's");
  await changed.recognised;
  recognition.announced(changed.call, "mallory's next");
  conversation.ended(changed.call);
  await opens("old").recognised;
  recognition.announced(first.call, "of an old call");
  await settled();
  for (const other of ["mallory's next", "of an old call"]) assert.equal((await contacts.meet("alice", "bob", other, true)).kind, "changed");
  const second = opens("old");
  await second.recognised;
  recognition.announced(second.call, "next");
  await settled();
  assert.equal((await contacts.meet("alice", "bob", "next", true)).kind, "known");
});

test("a call whose other end proves nothing, or to be another one than it says, ends", async () => {
  const { log, contacts, opens } = page();
  await opens(undefined).recognised;
  assert.deepEqual(log.splice(0), ["garbled"]);
  await opens("old", { another: true }).recognised;
  assert.deepEqual(log, ["other-certificate"]);
  assert.equal((await contacts.meet("alice", "bob", "new", true)).kind, "new", "nothing is remembered of it");
});
