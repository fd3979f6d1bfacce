import assert from "node:assert/strict";
import { test } from "node:test";
import type { Change, Database } from "../conversation/database.js";
import { DatabaseGivenUp } from "../conversation/reopening.js";
import { Contacts } from "./contacts.js";
import { Identity } from "./identity.js";
import { settled } from "../signaling/settled.fixture.js";

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

/** The database `there`, which can be read and written when the test says so. */
function failing(there: Database) {
  const may = { read: true, write: true };
  let writes = 0;
  const refuse = () => Promise.reject(new DOMException("no", "UnknownError"));
  const database: Database = {
    ...there,
    get: (...args) => (may.read ? there.get(...args) : refuse()),
    change: (...args) => (writes++, may.write ? there.change(...args) : refuse()),
    claim: (...args) => (may.read && may.write ? there.claim(...args) : refuse()),
  };
  return { database: Promise.resolve(database), may, writes: () => writes };
}

test("somebody who cannot be read is neither new nor known, and is not written over", async () => {
  const there = await memory();
  await new Contacts(Promise.resolve(there), () => false).verify("alice", "bob", "AA", true);
  const { database, may, writes } = failing(there);
  const contacts = new Contacts(database, () => false);
  may.read = false;
  for (const fingerprint of ["AA", "BB"]) assert.deepEqual(await contacts.meet("alice", "bob", fingerprint, true), { kind: "unread", damaged: false });
  await contacts.vouch("alice", "bob", "BB", "CC");
  await contacts.accept("alice", "bob", "BB", true);
  assert.deepEqual(await contacts.meet("alice", "bob", "BB", true), { kind: "known", verified: false }, "the person has decided that for now");
  assert.deepEqual(await contacts.meet("alice", "bob", "CC", true), { kind: "changed", wasVerified: false });
  await contacts.verify("alice", "bob", "BB", true);
  assert.deepEqual([writes(), contacts.failing, contacts.keeps("alice", "bob", "AA")], [0, true, false]);

  may.read = true;
  await contacts.writeAgain();
  assert.deepEqual(await contacts.meet("alice", "bob", "BB", true), { kind: "changed", wasVerified: true }, "the device knows better");
  assert.deepEqual(await contacts.meet("alice", "bob", "AA", true), { kind: "known", verified: true });
  assert.deepEqual([writes(), contacts.failing, contacts.keeps("alice", "bob", "AA")], [0, false, true]);
  assert.equal(contacts.keeps("alice", "bob", "BB"), false, "it keeps another one");
});

test("what the page has read of somebody holds where the device cannot be read any more", async () => {
  const { database, may } = failing(await memory());
  const contacts = new Contacts(database, () => false);
  await contacts.verify("alice", "bob", "AA", true);
  may.read = false;
  assert.deepEqual(await contacts.meet("alice", "bob", "AA", true), { kind: "known", verified: true });
  assert.deepEqual(await contacts.meet("alice", "bob", "BB", true), { kind: "changed", wasVerified: true });
});

test("a contact that is damaged, or of a later version, is not new either, and the person's decision replaces it", async () => {
  for (const damaged of [null, 7, "AA", {}, { fingerprint: 7 }, { prints: ["AA"], verified: true }, []]) {
    const there = await memory();
    await there.change([{ store: "contacts", key: ["alice", "bob"], value: damaged }]);
    const contacts = new Contacts(Promise.resolve(there), () => false);
    assert.deepEqual(await contacts.meet("alice", "bob", "AA", true), { kind: "unread", damaged: true }, JSON.stringify(damaged));
    assert.deepEqual(await contacts.meet("alice", "carol", "AA", true), { kind: "new" });
    await contacts.accept("alice", "bob", "AA");
    assert.deepEqual(await new Contacts(Promise.resolve(there), () => false).meet("alice", "bob", "AA", true), { kind: "known", verified: false });
  }
});

test("what could not be written of somebody is written once it can be, and until then the device does not keep it", async () => {
  const there = await memory();
  const { database, may } = failing(there);
  const contacts = new Contacts(database, () => false);
  may.write = false;
  assert.deepEqual(await contacts.meet("alice", "bob", "AA", true), { kind: "new" });
  assert.equal(contacts.failing, false, "it is being written");
  await contacts.verify("alice", "bob", "AA", true);
  assert.deepEqual(await contacts.meet("alice", "bob", "AA", true), { kind: "known", verified: true });
  assert.deepEqual([contacts.failing, contacts.keeps("alice", "bob", "AA")], [true, false]);
  may.write = true;
  await contacts.writeAgain();
  assert.deepEqual([contacts.failing, contacts.keeps("alice", "bob", "AA")], [false, true]);
  assert.deepEqual(await new Contacts(Promise.resolve(there), () => false).meet("alice", "bob", "AA", true), { kind: "known", verified: true });

  await there.clear(); // The person has had the browser delete the page's data.
  await contacts.writeAgain();
  await settled();
  assert.deepEqual(await new Contacts(Promise.resolve(there), () => false).meet("alice", "bob", "BB", true), { kind: "changed", wasVerified: true });
});

test("off the record nothing is written later either, and what could not be read is still compared", async () => {
  const there = await memory();
  await new Contacts(Promise.resolve(there), () => false).verify("alice", "bob", "AA", true);
  const { database, may, writes } = failing(there);
  const contacts = new Contacts(database, () => true);
  await contacts.meet("alice", "carol", "CC", true);
  may.read = false;
  await contacts.accept("alice", "bob", "BB", true);
  may.read = true;
  await contacts.writeAgain();
  assert.deepEqual(await contacts.meet("alice", "bob", "BB", true), { kind: "changed", wasVerified: true });
  assert.deepEqual([writes(), contacts.failing, contacts.keeps("alice", "carol", "CC")], [0, false, false]);
});

test("another tab's word on somebody counts at the next call", async () => {
  const database = memory();
  const [one, other] = [new Contacts(database, () => false), new Contacts(database, () => false)];
  await one.meet("alice", "bob", "AA", true);
  await other.accept("alice", "bob", "BB");
  await other.verify("alice", "bob", "BB", true);
  assert.deepEqual(await one.meet("alice", "bob", "BB", true), { kind: "known", verified: true });
});

test("an identity is not replaced because the device is slow or fails: it is read later", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const there = await memory();
  const { identity, number } = browser(Promise.resolve(there));
  const first = await number();
  const { database, may } = failing(there);
  may.read = false;
  let open = (_: Database) => {};
  const slow = new Promise<Database>((resolve) => (open = resolve));
  for (const [reads, recover] of [
    [database, () => (may.read = true)],
    [slow, () => open(there)],
  ] as const) {
    let own: number | undefined;
    void browser(reads).identity().own().then((found) => (own = (found!.certificate as unknown as { number: number }).number));
    for (let i = 0; i < 20; i++) {
      await settled();
      context.mock.timers.tick(8_000);
    }
    assert.equal(own, undefined);
    recover();
    await settled();
    context.mock.timers.tick(8_000);
    await settled();
    assert.equal(own, first);
  }
  const { may: later, database: lost } = failing(there);
  const one = browser(lost).identity();
  const own = await one.own();
  later.read = false;
  assert.equal(await one.own(), own, "what the page has read holds");
  assert.equal((await identity().own())!.kept, true);
});

test("an identity that the device was read to have not, and cannot keep, is the page's, until it can", async () => {
  const { database, may } = failing(await memory());
  may.write = false;
  const { identity } = browser(database);
  const one = identity();
  const own = (await one.own())!;
  assert.equal(own.kept, false);
  assert.deepEqual(await one.own(), own);
  may.write = true;
  assert.deepEqual(await one.writeAgain(), { ...own, kept: true });
  assert.deepEqual(await identity().own(), { ...own, kept: true });
});

test("an identity that is lost on the device gets there again, and not in place of another", async () => {
  const there = await memory();
  const { identity, number } = browser(Promise.resolve(there));
  const one = identity();
  assert.equal(await identity().writeAgain(), undefined, "a page that has none yet writes none");
  const own = (await one.own())!;
  await there.clear();
  assert.deepEqual(await one.writeAgain(), own);
  assert.equal(await number(), (own.certificate as unknown as { number: number }).number);
  await there.clear();
  const other = await number();
  assert.equal((await one.writeAgain())!.kept, false, "another tab was first");
  assert.equal(await number(), other);
});

test("the person may go on without an identity that cannot be read", async () => {
  const database = { ...(await memory()), get: () => Promise.reject(new DatabaseGivenUp()), change: () => Promise.reject(new DatabaseGivenUp()) };
  const one = browser(Promise.resolve(database)).identity();
  const own = (await one.own())!;
  assert.equal(own.kept, false);
  assert.equal(await one.own(), own);
  await one.renew();
  assert.notEqual(await one.own(), own);
});

test("where the next certificate cannot take its place, the one that ends soon serves as long as it holds", async () => {
  const { database, may } = failing(await memory());
  const { clock, identity } = browser(database);
  const first = (await identity().own())!;
  clock.now = 306 * DAY;
  const { next } = (await identity().own())!;
  clock.now = 352 * DAY;
  may.write = false;
  assert.deepEqual((await identity().own())!.certificate, first.certificate);
  clock.now = 366 * DAY;
  const own = (await identity().own())!;
  assert.deepEqual([`fingerprint ${(own.certificate as unknown as { number: number }).number}`, own.kept], [next, true]);
});

test("what is no certificate is no identity", async () => {
  for (const damaged of [null, 7, {}, "current"]) {
    const there = await memory();
    await there.change([{ store: "identity", key: "current", value: damaged }]);
    const { identity, number } = browser(Promise.resolve(there));
    const own = (await identity().own())!;
    assert.deepEqual([own.kept, await number()], [true, (own.certificate as unknown as { number: number }).number], JSON.stringify(damaged));
  }
});

test("what had no room gets to the device at the next meeting", async () => {
  const there = await memory();
  const { database, may } = failing(there);
  const contacts = new Contacts(database, () => false);
  may.write = false;
  await contacts.meet("alice", "bob", "AA", true);
  await settled();
  may.write = true;
  await contacts.meet("alice", "bob", "AA", true);
  await settled();
  assert.deepEqual([contacts.failing, contacts.keeps("alice", "bob", "AA")], [false, true]);
});
