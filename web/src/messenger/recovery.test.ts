import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { fakeClock } from "../signaling/clock.fixture.js";
import type { Call } from "../call/call.js";
import { LiveConversation } from "./liveconversation.js";
import { Recovery } from "./recovery.js";

const MINUTE = 60_000;
const lost = { id: "lost", fingerprints: { own: "alice's", peer: "bob's" }, bare: false };

const clock = fakeClock();

/** A page with one conversation, whose calls do nothing until the test says so. */
function page() {
  const state = { ready: true, attempts: 0, gaveUp: 0, gone: false, closed: false };
  const conversation = new LiveConversation({ asks: () => false, changed() {} }, "bob", "alice's page");
  const recovery = new Recovery({
    conversations: () => [conversation],
    canSignal: () => state.ready,
    call: () => state.attempts++,
    window: () => 30,
    gaveUp: (_conversation, { gone, closed }) => {
      state.gaveUp++;
      Object.assign(state, { gone, closed });
    },
  });
  return { state, conversation, recovery };
}

test("a call that was lost is called again, until one opens", () => {
  const { state, conversation, recovery } = page();
  recovery.lost(conversation, lost, "lost");
  assert.equal(conversation.phase, "reconnecting");
  clock.pass(1_000);
  assert.equal(state.attempts, 1);
  clock.pass(MINUTE);
  assert.equal(state.attempts, 1, "the next attempt waits until this one has ended");
  assert.equal(recovery.failed(conversation, "no-answer"), true);
  clock.pass(2_000);
  assert.equal(state.attempts, 2);
  assert.equal(recovery.opened(conversation, lost), true);
  assert.equal(conversation.phase, "off");
  clock.pass(5 * MINUTE);
  assert.equal(state.attempts, 2);
  assert.equal(recovery.opened(conversation, lost), false, "the next call that opens restores nothing");

  recovery.lost(conversation, lost, "lost");
  clock.pass(2 * MINUTE);
  assert.equal(recovery.opened(conversation, { fingerprints: { own: "alice's", peer: "mallory's" } }), false, "that is another end");
  recovery.lost(conversation, lost, "lost");
  clock.pass(2 * MINUTE);
  assert.equal(conversation.restoring, true, "the time counts from the last loss");
});

test("a call is restored for three minutes, and an attempt that is under way then may still end well", () => {
  const { state, conversation, recovery } = page();
  state.ready = false;
  recovery.lost(conversation, lost, "lost");
  clock.pass(3 * MINUTE - 250);
  assert.equal(conversation.restoring, true);
  clock.pass(250);
  assert.deepEqual([conversation.phase, conversation.loss, state.gaveUp], ["off", undefined, 1]);

  recovery.lost(conversation, lost, "lost");
  conversation.begin({ phase: "calling" } as unknown as Call);
  clock.pass(3 * MINUTE);
  assert.equal(conversation.phase, "reconnecting");
  assert.equal(recovery.failed(conversation, "no-answer"), true);
  assert.equal(conversation.restoring, false);
  assert.equal(recovery.failed(conversation, "no-answer"), false, "a call that ends now restores nothing");
});

test("whose page is gone is given less time to come back", () => {
  const { state, conversation, recovery } = page();
  recovery.lost(conversation, lost, "gone");
  clock.pass(1_000);
  recovery.failed(conversation, "no-answer");
  clock.pass(18_750);
  assert.deepEqual([conversation.phase, state.attempts >= 2], ["reconnecting", true]);
  clock.pass(250);
  assert.deepEqual([conversation.phase, state.gaveUp, state.gone], ["off", 1, true]);
});

test("whose login is free soon after the loss is gone, unless this page was away", () => {
  for (const { after, away, gone } of [
    { after: 5_000, away: false, gone: true },
    { after: 39_000, away: false, gone: true },
    { after: 45_000, away: false, gone: false }, // The service has noticed that their connection is dead.
    { after: 5_000, away: true, gone: false }, // Whoever was away too may not be back yet.
  ]) {
    const { state, conversation, recovery } = page();
    recovery.lost(conversation, lost, "lost");
    clock.pass(after);
    if (away) recovery.withoutService();
    recovery.failed(conversation, "unavailable");
    clock.pass(10_000);
    recovery.failed(conversation, "unavailable");
    clock.pass(9_750);
    assert.equal(state.gaveUp, 0);
    clock.pass(500);
    assert.deepEqual([state.gaveUp, state.gone], gone ? [1, true] : [0, false], `after ${after} ms`);
    recovery.stopAll();
  }
});

test("a device that was asleep for longer gives up when it wakes", () => {
  const { state, conversation, recovery } = page();
  recovery.lost(conversation, lost, "lost");
  clock.now += 60 * MINUTE;
  mock.timers.tick(1_000);
  assert.deepEqual([state.attempts, conversation.restoring], [0, false]);
});

test("a clock that is set forwards or back ends no attempts, and prolongs none", () => {
  for (const jump of [60 * MINUTE, -60 * MINUTE]) {
    const { state, conversation, recovery } = page();
    recovery.lost(conversation, lost, "lost");
    const now = Date.now();
    mock.method(Date, "now", () => now + jump);
    clock.pass(MINUTE);
    assert.deepEqual([state.attempts > 0, conversation.restoring], [true, true]);
    conversation.begin({ phase: "calling" } as unknown as Call);
    clock.pass(3 * MINUTE);
    recovery.failed(conversation, "no-answer");
    assert.equal(conversation.restoring, false);
  }
});

test("a page that was closed or is loaded again has left when the service says so, or after its window", () => {
  const { state, conversation, recovery } = page();
  recovery.lost(conversation, lost, "closed");
  clock.pass(20_000);
  recovery.failed(conversation, "no-answer");
  assert.equal(conversation.restoring, true);
  recovery.failed(conversation, "unavailable");
  assert.deepEqual([state.gaveUp, state.closed, conversation.restoring], [1, true, false]);

  recovery.lost(conversation, lost, "closed");
  recovery.withoutService(); // The other page may be back later than this one.
  recovery.failed(conversation, "unavailable");
  clock.pass(39_750);
  assert.equal(state.gaveUp, 1);
  clock.pass(250);
  assert.equal(state.gaveUp, 2);
});

test("attempts wait for the service", () => {
  const { state, conversation, recovery } = page();
  state.ready = false;
  recovery.lost(conversation, lost, "lost");
  clock.pass(MINUTE);
  assert.equal(state.attempts, 0);
  state.ready = true;
  recovery.resume();
  clock.pass(1_000);
  assert.equal(state.attempts, 1);
  conversation.begin({ phase: "calling" } as unknown as Call);
  recovery.resume();
  clock.pass(20_000);
  assert.equal(state.attempts, 1, "a call that is being set up needs no second one");
});

test("an attempt follows at once when something is better, and soon in any case", () => {
  const { state, conversation, recovery } = page();
  recovery.lost(conversation, lost, "lost");
  for (let i = 0; i < 20; i++) {
    clock.pass(5_000);
    assert.equal(state.attempts, i + 1, "the longest wait is 5 s");
    recovery.failed(conversation, "no-answer");
  }
  const { attempts } = state;
  recovery.resume(conversation);
  clock.pass(1_000);
  assert.equal(state.attempts, attempts + 1);
});

test("nothing is restored once the person has hung up or signed out", () => {
  const { state, conversation, recovery } = page();
  recovery.lost(conversation, lost, "lost");
  assert.equal(recovery.stop(conversation), true);
  assert.equal(recovery.stop(conversation), false);
  recovery.lost(conversation, lost, "lost");
  assert.equal(recovery.busy, true);
  recovery.stopAll();
  assert.equal(recovery.busy, false);
  clock.pass(5 * MINUTE);
  assert.deepEqual([state.attempts, conversation.phase, conversation.loss], [0, "off", undefined]);
});
