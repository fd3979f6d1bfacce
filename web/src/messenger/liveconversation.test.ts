import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import type { Call } from "../call/call.js";
import { Backoff } from "../signaling/backoff.js";
import { LiveConversation } from "./liveconversation.js";

beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
afterEach(() => mock.timers.reset());

function begun() {
  const host = { asks: () => false, changes: 0, changed: () => void host.changes++ };
  const call = { phase: "calling", reconnecting: false, marks: 0, markRead: () => void call.marks++ };
  const conversation = new LiveConversation(host, "bob", "alice's page");
  return { host, call, conversation, asCall: call as unknown as Call };
}

test("where a conversation stands follows from its call, the loss of it, and who asks", () => {
  const { host, call, conversation, asCall } = begun();
  assert.equal(conversation.phase, "off");
  host.asks = () => true;
  assert.equal(conversation.phase, "asking");
  conversation.begin(asCall);
  for (const phase of ["calling", "connecting", "open"]) {
    call.phase = phase;
    assert.equal(conversation.phase, phase);
  }
  call.reconnecting = true;
  assert.equal(conversation.phase, "reconnecting");
  call.phase = "over";
  host.asks = () => false;
  assert.equal(conversation.phase, "off");
  conversation.ended(asCall);
  assert.deepEqual([conversation.phase, conversation.call, conversation.has(asCall)], ["off", undefined, true]);

  const restored = begun();
  restored.conversation.loss = { call: "lost", peer: undefined, bare: false, began: 0, away: false, gone: false, closed: false, until: Infinity, giveUp: setTimeout(() => {}), backoff: new Backoff(), attempt: undefined };
  assert.equal(restored.conversation.phase, "reconnecting");
  restored.conversation.begin(restored.asCall);
  assert.equal(restored.conversation.phase, "reconnecting", "the attempt is under way");
  restored.call.phase = "open";
  assert.equal(restored.conversation.phase, "open");
});

test("who is at the other end is known of the current call only", () => {
  const { conversation, asCall } = begun();
  const trust = { kind: "accepted", fingerprints: { own: "a", peer: "b" }, lasting: true, verified: false } as const;
  conversation.begin(asCall);
  assert.equal(conversation.recognised({} as unknown as Call, trust), false);
  assert.equal(conversation.trust, undefined);
  assert.equal(conversation.recognised(asCall, trust), true);
  assert.equal(conversation.trust, trust);
  conversation.begin({} as unknown as Call);
  assert.equal(conversation.trust, undefined, "the next call has to prove it again");
  conversation.ended(asCall);
  assert.notEqual(conversation.call, undefined, "the end of an old call leaves the current one");
});

test("typing ends by itself unless it is said again", () => {
  const { host, conversation, asCall } = begun();
  conversation.peerTypes(true);
  mock.timers.tick(5_000);
  conversation.peerTypes(true);
  mock.timers.tick(5_000);
  assert.deepEqual([conversation.typing, host.changes], [true, 1]);
  mock.timers.tick(1_000);
  assert.deepEqual([conversation.typing, host.changes], [false, 2]);
  conversation.peerTypes(true);
  conversation.ended(asCall);
  assert.equal(conversation.typing, false);
});

test("a burst of texts is marked as read once", () => {
  const { call, conversation, asCall } = begun();
  conversation.begin(asCall);
  for (let i = 0; i < 3; i++) conversation.markReadSoon();
  mock.timers.runAll();
  assert.equal(call.marks, 1);
  conversation.markReadSoon();
  mock.timers.runAll();
  assert.equal(call.marks, 2);
});
