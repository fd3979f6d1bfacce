import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFields } from "./fields.js";
import type { LoginReply } from "./frames.js";
import { Session, counts, readSession } from "./session.js";

const reply = (more: Partial<LoginReply> = {}): LoginReply => ({ type: "login", success: true, code: "", message: "", iceServers: [], resume: "next-secret-of-it", resumed: false, ...more });
const goesOn = (received: number) => reply({ resumed: true, received });

/** A session that has begun, and in which this page has sent so many messages. */
function begun(sent = 0): Session {
  const session = new Session("alice");
  session.accepted(reply());
  for (let i = 1; i <= sent; i++) session.sent(message(i));
  return session;
}

const message = (number: number) => JSON.stringify({ type: "offer", number });

test("messages count by their type alone, and what is no object counts", () => {
  for (const [text, counted] of [
    ['{"type":"offer"}', true],
    ['{"type":"error"}', true],
    ['{"type":"watch"}', true],
    ['{"type":"of a later version"}', true],
    ['{"type":7}', true],
    ["{}", true],
    ["[]", true],
    ["null", true],
    ["no JSON", true],
    ["", true],
    ['{"type":"login"}', false],
    ['{"type":"ping","id":{}}', false],
    ['{"type":"pong"}', false],
    ['{"t\\u0079pe":"presence"}', false],
  ] as const) {
    assert.equal(counts(parseFields(text)), counted, text);
  }
});

test("what lies behind the service's count is sent again, byte for byte", () => {
  for (let arrived = 0; arrived <= 3; arrived++) {
    assert.deepEqual(begun(3).accepted(goesOn(arrived)), [1, 2, 3].slice(arrived).map(message));
  }
  const session = begun(3);
  session.confirmed(2);
  session.sent(message(4));
  assert.deepEqual(session.accepted(goesOn(2)), [3, 4].map(message));
  session.confirmed(4);
  assert.deepEqual(session.accepted(goesOn(4)), []);
});

test("a count that cannot be is told, and the session goes on from it", () => {
  for (const arrived of [0, 5, undefined]) {
    const session = begun(4);
    session.confirmed(1);
    assert.equal(session.accepted(reply({ resumed: true, received: arrived })), undefined);
    session.sent(message(9));
    assert.deepEqual(session.accepted(goesOn(arrived ?? 0)), [message(9)]);
  }
});

test("a confirmation that confirms nothing lets nothing go", () => {
  const session = begun(3);
  session.confirmed(2);
  for (const arrived of [0, 1, 2, 4, 1e9]) session.confirmed(arrived);
  assert.deepEqual(session.accepted(goesOn(2)), [message(3)]);
});

test("a page that has lost its count goes on from the service's", () => {
  const session = new Session("alice", begun(3).kept);
  session.sent(message(1));
  assert.deepEqual(session.accepted(goesOn(17)), [message(1)]);
  session.confirmed(18);
  assert.deepEqual(session.accepted(goesOn(18)), []);
});

test("a session that begins anew counts from 0, on both sides", () => {
  const session = begun(3);
  for (let i = 0; i < 5; i++) session.acted(message(i));
  session.settle();
  assert.equal(session.accepted(reply()), undefined);
  assert.equal(session.kept.received, 0);
  session.sent(message(1));
  session.confirmed(3);
  assert.deepEqual(session.accepted(goesOn(0)), [message(1)]);
});

test("what came while the login was on its way is not skipped", () => {
  const session = begun();
  for (let i = 0; i < 5; i++) session.acted(message(i));
  session.ask();
  session.settle(); // After it was asked for from 0.
  session.accepted(goesOn(0));
  const isNew = () => [1, 2, 3, 4, 5, 6].map(() => session.isNew());
  assert.deepEqual(isNew(), [false, false, false, false, false, true]);
  session.ask();
  session.accepted(goesOn(0));
  assert.deepEqual(isNew(), Array(6).fill(true), "all is settled");
});

test("a replay that is cut off is skipped from its beginning again", () => {
  const session = begun();
  for (let i = 0; i < 4; i++) session.acted(message(i));
  for (const cut of [2, 3, 4]) {
    session.ask();
    session.accepted(goesOn(0));
    for (let i = 0; i < cut; i++) assert.equal(session.isNew(), false);
  }
  assert.equal(session.isNew(), true);
});

test("what is stored is read again, and nothing else", () => {
  const { kept } = begun();
  assert.deepEqual(readSession(JSON.stringify(kept)), kept);
  const texts = [undefined, "", "null", "[]", "{}", ...[{ secret: "short" }, { secret: "of a kind that nobody has, with spaces" }, { received: -1 }, { received: 1.5 }, { received: "1" }, { login: 1 }, { id: 1 }].map((wrong) => JSON.stringify({ ...kept, ...wrong }))];
  for (const text of texts) assert.equal(readSession(text), undefined, text);
});

test("secrets are random", () => {
  const secrets = Array.from({ length: 100 }, () => new Session("alice").kept.secret);
  assert.equal(new Set(secrets).size, 100);
  for (const secret of secrets) assert.match(secret, /^[\w-]{22,128}$/u);
});
