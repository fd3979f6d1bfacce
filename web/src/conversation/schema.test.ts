import assert from "node:assert/strict";
import { test } from "node:test";
import { groups, inOrderOfTime, oneContact, oneConversation } from "./schema.js";

const key: [string, string] = ["alice", "γιώργοσ"];

test("of two people who are one now the certificate that was met last counts, and none is verified unless they have the same", () => {
  const contact = (fingerprint: string, verified: boolean, since: number) => ({ key, value: { fingerprint, verified, since: new Date(since), next: undefined } });
  for (const [contacts, fingerprint, verified] of [
    [[contact("A", true, 1)], "A", true],
    [[contact("A", true, 1), contact("B", false, 2)], "B", false],
    [[contact("A", true, 2), contact("B", true, 1)], "A", false],
    [[contact("A", false, 1), contact("A", true, 1)], "A", true],
  ] as const) {
    const { value } = oneContact(contacts) as { value: { fingerprint: string; verified: boolean } };
    assert.deepEqual([value.fingerprint, value.verified], [fingerprint, verified]);
  }
  assert.deepEqual(oneContact([{ key, value: { fingerprint: 7 } }]).value, { fingerprint: 7 }, "what is damaged stays so, and is told");
});

test("of two conversations that are one now nothing is lost", () => {
  const conversation = (instance: string, draft: string, unread: number, ...waiting: object[]) => ({
    key,
    value: { me: "alice", key: "as before", peer: instance, draft, drafted: 3, unread, correspondence: { instance, waiting, received: { instance: "p", id: 7 } } },
  });
  const letter = (id: number, text: string) => ({ id, text, was: [] });
  assert.deepEqual(oneConversation([conversation("A", "a", 1, letter(1, "one"))]).value, { ...conversation("A", "a", 1, letter(1, "one")).value, key: "γιώργοσ" });
  assert.deepEqual(oneConversation([conversation("A", "for A", 1, letter(4, "please call")), conversation("B", "for B", 2, letter(9, "here"))]).value, {
    ...conversation("B", "for A\nfor B", 3).value,
    key: "γιώργοσ",
    correspondence: {
      instance: "B",
      waiting: [letter(9, "here"), { id: 2 ** 32, text: "please call", was: [{ instance: "A", id: 4 }] }],
      received: { instance: "p", id: 7 },
    },
  });
  assert.deepEqual(oneConversation([conversation("A", "", 1), { key, value: 7 }]).value, 7);
});

test("records come together under the login as it is compared now, and a group is where its last record is", () => {
  const record = (me: string, other: string) => ({ key: [me, other] as [string, string], value: other });
  const [final, dora, sigma, bobs] = [record("alice", "γιώργος"), record("alice", "dora"), record("alice", "γιώργοσ"), record("bob", "γιώργος")];
  assert.deepEqual(groups([final, dora, bobs, sigma]), [[dora], [bobs], [final, sigma]]);
  assert.deepEqual(oneConversation([final]).key, ["alice", "γιώργοσ"]);
  assert.deepEqual(oneContact([bobs]).key, ["bob", "γιώργοσ"]);
});

test("entries of conversations that are one now are in the order of their times, and those of each keep theirs", () => {
  const entry = (other: string, time: number, id: string) => ["alice", other, time, id];
  const final = [entry("ς", 1, "b"), entry("ς", 3, "a"), entry("ς", 3, "c"), entry("ς", 9, "a")];
  const sigma = [entry("σ", 2, "z"), entry("σ", 3, "b"), entry("σ", 4, "a")];
  for (const [keys, want] of [
    [final, final],
    [[...final, ...sigma], [final[0], sigma[0], final[1], final[2], sigma[1], sigma[2], final[3]]],
    [[...sigma, ...final], [final[0], sigma[0], sigma[1], final[1], final[2], sigma[2], final[3]]],
    [[["alice", "bob", 1], "no key", final[0]], [final[0]]],
    [[], []],
  ]) {
    assert.deepEqual(inOrderOfTime(keys!), want);
  }
});
