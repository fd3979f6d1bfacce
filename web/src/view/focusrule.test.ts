import assert from "node:assert/strict";
import { test } from "node:test";
import { FocusRule, type Shown } from "./focusrule.js";

const bob = { peer: "bob" };
const zed = { peer: "zed" };
const withBob = { call: "bob" };
const toZed = { call: "zed" };

const joined: Shown = { login: "alice", front: undefined, call: undefined, phase: "off" };
const talking: Shown = { login: "alice", front: bob, call: withBob, phase: "open" };
const calling: Shown = { login: "alice", front: zed, call: toZed, phase: "calling" };
const connecting: Shown = { ...calling, phase: "connecting" };
const answered: Shown = { ...calling, phase: "open" };

/** A person who has joined and sees this. */
function sees(shown: Shown): FocusRule {
  const rule = new FocusRule();
  rule.shown(shown, false);
  return rule;
}

test("nothing that others or the network do moves the focus", () => {
  const over = { ...talking, call: undefined, phase: "off" };
  for (const [what, before, after] of [
    ["a call comes in", joined, talking],
    ["another conversation comes to the front", talking, answered],
    ["a call ends", talking, over],
    ["a call fails, and what was there before comes back", calling, talking],
    ["a call fails, and nothing was there before", calling, joined],
    ["a call is declined", connecting, { ...calling, call: undefined, phase: "off" }],
    ["a call is answered that the person has not made just now", connecting, answered],
    ["the network goes away", talking, { ...talking, phase: "reconnecting" }],
    ["the network is back", { ...talking, phase: "reconnecting" }, talking],
    ["the call is restored", { ...over, phase: "reconnecting" }, { ...talking, call: {} }],
    ["somebody asks", over, { ...over, phase: "asking" }],
    ["an alert, or nothing", talking, talking],
  ] as const) {
    assert.equal(sees(before).shown(after, false).move, undefined, what);
    assert.equal(sees(before).shown(after, true).move, "nearby", `${what}, and what had the focus is gone`);
  }
});

test("whoever calls goes on in the conversation when the other has answered", () => {
  const rule = sees(talking);
  rule.called();
  for (const shown of [calling, connecting]) assert.equal(rule.shown(shown, false).move, undefined);
  assert.deepEqual(rule.shown(answered, false), { move: "on", opened: true });
  assert.deepEqual(rule.shown(answered, false), { move: undefined, opened: false });

  const twice = sees(calling);
  twice.busy();
  twice.called(); // The button was pressed twice.
  twice.shown(calling, false);
  assert.equal(twice.shown({ ...answered, call: {} }, false).move, "on", "they have called each other, and the other call counts");

  const there = sees(joined);
  there.called();
  assert.equal(there.shown(talking, false).move, "on", "the other has called first");
});

test("whoever types while they wait goes on typing", () => {
  for (const when of ["before it is shown", "while it is set up"]) {
    const rule = sees(talking);
    rule.called();
    if (when === "before it is shown") rule.busy();
    rule.shown(calling, false);
    rule.busy();
    assert.equal(rule.shown(answered, false).move, undefined, when);
  }
});

test("a call that comes to nothing moves nothing, however fast", () => {
  for (const steps of [[calling, talking], [connecting, calling, talking], [talking], [calling, { ...calling, call: undefined, phase: "off" }, talking], [calling, joined]]) {
    const rule = sees(talking);
    rule.called();
    for (const shown of steps) assert.equal(rule.shown(shown, false).move, undefined);
    assert.equal(rule.shown(answered, false).move, undefined, "a later call is not the one that was meant");
  }
});

test("whoever joins, signs out or chooses a conversation goes on there", () => {
  const rule = new FocusRule();
  assert.equal(rule.shown({ ...joined, login: undefined }, false).move, undefined);
  assert.equal(rule.shown(joined, true).move, "on");
  rule.chose();
  assert.equal(rule.shown(talking, false).move, "on");
  rule.chose();
  assert.equal(rule.shown(talking, false).move, undefined, "it was in front already");
  assert.equal(rule.shown(joined, false).move, undefined, "what was chosen was chosen once");
  assert.equal(rule.shown({ ...joined, login: undefined }, true).move, "on");
});
