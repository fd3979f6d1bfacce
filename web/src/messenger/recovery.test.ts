import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import type { Call } from "../call/call.js";
import { LiveConversation } from "./liveconversation.js";
import { Recovery } from "./recovery.js";

const MINUTE = 60_000;

let clock: number;

beforeEach(() => {
  clock = 0;
  mock.timers.enable({ apis: ["setTimeout"] });
  mock.method(Date, "now", () => clock);
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

/** Lets time pass. */
function pass(ms: number): void {
  for (const end = clock + ms; clock < end; ) {
    clock += 250;
    mock.timers.tick(250);
  }
}

/** A page with one conversation, whose calls do nothing until the test says so. */
function page() {
  const state = { ready: true, attempts: 0, changes: 0 };
  const conversation = new LiveConversation({ asks: () => false, changed() {} }, "bob", "alice's page");
  const recovery = new Recovery({
    conversations: () => [conversation],
    canSignal: () => state.ready,
    call: () => state.attempts++,
    changed: () => state.changes++,
  });
  return { state, conversation, recovery };
}

test("a call that this side lost is called again, until one opens", () => {
  const { state, conversation, recovery } = page();
  recovery.lost(conversation, true);
  assert.equal(conversation.phase, "reconnecting");
  pass(1_000);
  assert.equal(state.attempts, 1);
  pass(MINUTE);
  assert.equal(state.attempts, 1, "the next attempt waits until this one has ended");
  assert.equal(recovery.failed(conversation), true);
  pass(2_000);
  assert.equal(state.attempts, 2);
  assert.equal(recovery.opened(conversation), true);
  assert.equal(conversation.phase, "off");
  pass(5 * MINUTE);
  assert.equal(state.attempts, 2);
  assert.equal(recovery.opened(conversation), false, "the next call that opens restores nothing");

  recovery.lost(conversation, true);
  pass(2 * MINUTE);
  recovery.opened(conversation);
  recovery.lost(conversation, true);
  pass(2 * MINUTE);
  assert.equal(conversation.restoring, true, "the time counts from the last loss");
});

test("a call is restored for three minutes, and an attempt that is under way then may still end well", () => {
  const { state, conversation, recovery } = page();
  state.ready = false;
  recovery.lost(conversation, true);
  pass(3 * MINUTE - 250);
  assert.equal(conversation.restoring, true);
  pass(250);
  assert.deepEqual([conversation.phase, conversation.loss, state.changes], ["off", undefined, 1]);

  recovery.lost(conversation, true);
  conversation.begin({ phase: "calling" } as unknown as Call);
  pass(3 * MINUTE);
  assert.equal(conversation.phase, "reconnecting");
  assert.equal(recovery.failed(conversation), true);
  assert.equal(conversation.restoring, false);
  assert.equal(recovery.failed(conversation), false, "a call that ends now restores nothing");
});

test("a device that was asleep for longer gives up when it wakes", () => {
  const { state, conversation, recovery } = page();
  recovery.lost(conversation, true);
  clock += 60 * MINUTE;
  mock.timers.tick(1_000);
  assert.deepEqual([state.attempts, conversation.restoring], [0, false]);
});

test("attempts wait for the service", () => {
  const { state, conversation, recovery } = page();
  state.ready = false;
  recovery.lost(conversation, true);
  pass(MINUTE);
  assert.equal(state.attempts, 0);
  state.ready = true;
  recovery.resume();
  pass(1_000);
  assert.equal(state.attempts, 1);
  conversation.begin({ phase: "calling" } as unknown as Call);
  recovery.resume();
  pass(20_000);
  assert.equal(state.attempts, 1, "a call that is being set up needs no second one");
});

test("the other side restores a call unless this side's network turns out to have been away", () => {
  for (const [later, restores] of [[MINUTE - 250, true], [MINUTE, false]] as const) {
    const { conversation, recovery } = page();
    recovery.lost(conversation, false);
    assert.equal(conversation.phase, "off");
    pass(later);
    recovery.networkAway();
    assert.equal(conversation.restoring, restores, `${later} ms later`);
    recovery.stop(conversation);
  }
  const { conversation, recovery } = page();
  recovery.lost(conversation, false);
  conversation.begin({ phase: "connecting" } as unknown as Call);
  recovery.networkAway();
  assert.equal(conversation.loss, undefined, "the other side's call is there already");
});

test("nothing is restored once the person has hung up or signed out", () => {
  const { state, conversation, recovery } = page();
  recovery.lost(conversation, true);
  assert.equal(recovery.stop(conversation), true);
  assert.equal(recovery.stop(conversation), false);
  recovery.lost(conversation, false);
  recovery.stopAll();
  recovery.networkAway();
  pass(5 * MINUTE);
  assert.deepEqual([state.attempts, conversation.phase, conversation.loss], [0, "off", undefined]);
});
