import assert from "node:assert/strict";
import { test } from "node:test";
import type { Change, Database } from "../conversation/database.js";
import { Contacts } from "./contacts.js";
import { Identity } from "./identity.js";

const DAY = 86_400_000;

/** A database in memory. */
function memory(): Promise<Database> {
  const values = new Map<string, unknown>();
  const name = (store: string, key: unknown) => JSON.stringify([store, key]);
  return Promise.resolve({
    get: async (store, key) => values.get(name(store, key)),
    entry: async () => undefined,
    all: async () => [],
    newest: async () => {},
    change: async (changes: readonly Change[]) => {
      for (const change of changes) {
        if ("delete" in change) values.delete(name(change.store, change.delete));
        else values.set(name(change.store, change.key), structuredClone(change.value));
      }
    },
    write: () => Promise.reject(new DOMException("no", "NotSupportedError")),
    claim: async (store, key, value) => {
      const there = values.get(name(store, key));
      if (there === undefined) values.set(name(store, key), value);
      return there ?? value;
    },
    clear: async () => values.clear(),
  });
}

/** A browser with a clock that the test sets and with numbered certificates. */
function browser(database: Promise<Database | undefined>) {
  const clock = { now: 0 };
  let made = 0;
  const identity = () =>
    new Identity(
      database,
      {
        make: async (expires) => ({ number: ++made, expires: clock.now + expires }) as unknown as RTCCertificate,
        fingerprint: async (certificate) => `fingerprint ${(certificate as unknown as { number: number }).number}`,
      },
      () => clock.now,
    );
  const number = async () => ((await identity().own())!.certificate as unknown as { number: number }).number;
  return { clock, identity, number };
}

test("the identity is the same from visit to visit, in every tab, until it is renewed", async () => {
  const { identity, number } = browser(memory());
  assert.deepEqual(await Promise.all([number(), number()]), [await number(), await number()], "two tabs at once");
  const first = await number();
  assert.equal((await identity().own())!.kept, true);
  await identity().renew();
  assert.notEqual(await number(), first);
});

test("where nothing is kept the identity is the page's", async () => {
  const { identity, number } = browser(Promise.resolve(undefined));
  const one = identity();
  const own = await one.own();
  assert.equal(own!.kept, false);
  assert.equal((await one.own())!.certificate, own!.certificate);
  assert.notEqual(await number(), (own!.certificate as unknown as { number: number }).number);
});

test("before a certificate ends the next one is announced, and then takes over", async () => {
  const { clock, identity, number } = browser(memory());
  const first = await number();
  clock.now = 304 * DAY;
  assert.equal((await identity().own())!.next, undefined);
  clock.now = 306 * DAY;
  const next = (await identity().own())!.next!;
  assert.equal((await identity().own())!.next, next, "the same one, however often it is asked for");
  assert.equal(await number(), first);
  clock.now = 352 * DAY;
  const second = await number();
  assert.equal(`fingerprint ${second}`, next);
  assert.equal((await identity().own())!.next, undefined);
  clock.now += 400 * DAY;
  assert.notEqual(await number(), second, "who has not been here for long begins anew");
});

test("who has a new certificate that the old one vouched for is the same, and stays verified", async () => {
  const database = memory();
  let contacts = new Contacts(database, () => false);
  assert.deepEqual(await contacts.meet("alice", "bob", "old", true), { kind: "new" });
  await contacts.verify("alice", "bob", "old", true);
  await contacts.vouch("alice", "bob", "old", "new");
  contacts = new Contacts(database, () => false); // After a reload.
  assert.deepEqual(await contacts.meet("alice", "bob", "old", true), { kind: "known", verified: true }, "until the new one comes");
  assert.deepEqual(await contacts.meet("alice", "bob", "new", true), { kind: "known", verified: true });
  assert.deepEqual(await contacts.meet("alice", "bob", "old", true), { kind: "changed", wasVerified: true }, "there is no way back");
});

test("nobody else vouches for anybody", async () => {
  const contacts = new Contacts(memory(), () => false);
  await contacts.meet("alice", "bob", "old", true);
  await contacts.vouch("alice", "bob", "mallory's", "mallory's next");
  await contacts.vouch("alice", "carol", "old", "mallory's");
  assert.deepEqual(await contacts.meet("alice", "bob", "mallory's next", true), { kind: "changed", wasVerified: false });
  assert.deepEqual(await contacts.meet("carol", "bob", "another", true), { kind: "new" }, "each own login has contacts of its own");
});

test("a change stays one until the person accepts it, and clients without an identity have none to change", async () => {
  const contacts = new Contacts(memory(), () => false);
  await contacts.meet("alice", "bob", "old", true);
  for (let i = 0; i < 2; i++) assert.equal((await contacts.meet("alice", "bob", "new", true)).kind, "changed");
  assert.equal((await contacts.meet("alice", "bob", "of the day", false)).kind, "changed", "nor does such a client take anybody's place");
  await contacts.accept("alice", "bob", "new");
  assert.deepEqual(await contacts.meet("alice", "bob", "new", true), { kind: "known", verified: false });
  for (const fingerprint of ["one", "two"]) assert.equal((await contacts.meet("alice", "seed", fingerprint, false)).kind, "new");
});

test("off the record contacts are the page's only", async () => {
  const database = memory();
  const contacts = new Contacts(database, () => true);
  await contacts.meet("alice", "bob", "old", true);
  assert.equal((await contacts.meet("alice", "bob", "new", true)).kind, "changed");
  assert.equal((await new Contacts(database, () => true).meet("alice", "bob", "new", true)).kind, "new");
});

test("where contacts cannot be read the page remembers them all the same, and writes over nothing", async () => {
  let changes = 0;
  let failed = 0;
  const database = {
    get: () => Promise.reject(new DOMException("no", "InvalidStateError")),
    change: async () => void changes++,
  } as Partial<Database> as Database;
  const contacts = new Contacts(Promise.resolve(database), () => false, () => failed++);
  assert.deepEqual(await contacts.meet("alice", "carol", "AA", true), { kind: "new" });
  await contacts.verify("alice", "carol", "AA", true);
  assert.deepEqual(await contacts.meet("alice", "carol", "AA", true), { kind: "known", verified: true });
  assert.deepEqual(await contacts.meet("alice", "carol", "BB", true), { kind: "changed", wasVerified: true });
  await contacts.accept("alice", "carol", "BB");
  assert.deepEqual(await contacts.meet("alice", "carol", "BB", true), { kind: "known", verified: false });
  assert.deepEqual([changes, failed], [0, 1]);
});
