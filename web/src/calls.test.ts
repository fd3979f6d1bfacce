import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { type Call, type CallEnd } from "./call.js";
import { Calls } from "./calls.js";
import { Correspondence } from "./correspondence.js";
import type { Outgoing } from "./signaling.js";

/** A connection that takes every description and finds no way to the other side. */
class FakeConnection {
  localDescription: { sdp: string } | undefined;
  remoteDescription: { sdp: string } | undefined;
  createDataChannel() {
    return { readyState: "connecting", addEventListener() {}, close() {} };
  }
  async setLocalDescription() {
    this.localDescription = { sdp: "own" };
  }
  async setRemoteDescription(description: { sdp: string }) {
    this.remoteDescription = description;
  }
  async addIceCandidate() {}
  close() {}
}

const original = globalThis.RTCPeerConnection;

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout"] });
  Object.assign(globalThis, { RTCPeerConnection: FakeConnection });
});

afterEach(() => {
  mock.timers.reset();
  Object.assign(globalThis, { RTCPeerConnection: original });
});

/** The calls of a login, what they send, and how they end. */
function callsOf(me: string) {
  const sent: Outgoing[] = [];
  const ends: [string, CallEnd][] = [];
  const calls = new Calls({
    me,
    configuration: {},
    send: (frame) => sent.push(frame),
    correspondence: () => new Correspondence(me),
    listener: {
      opened() {},
      received() {},
      delivered() {},
      sent() {},
      ended: (call: Call, end) => ends.push([call.id, end]),
    },
  });
  return { calls, sent, ends };
}

test("an offer of a call that is over neither ends the current one nor begins anew", () => {
  const { calls, sent, ends } = callsOf("alice");
  calls.receive({ type: "offer", from: "bob", call: "first", sdp: "offer" });
  calls.receive({ type: "bye", from: "bob", call: "first", reason: "left" });
  calls.receive({ type: "offer", from: "bob", call: "second", sdp: "offer" });
  calls.receive({ type: "offer", from: "bob", call: "first", sdp: "offer" });
  assert.deepEqual(ends, [["first", "left"]]);
  assert.equal(calls.current?.id, "second");

  calls.receive({ type: "offer", from: "bob", call: "third", sdp: "offer" });
  assert.equal(calls.current?.id, "third", "a new call of the same two takes the place of the one before");
  assert.deepEqual(sent.filter(({ type }) => type === "bye"), []);
});

test("frames belong to the call whose id they have, however the other's login is spelled", () => {
  const { calls, ends } = callsOf("alice");
  const call = calls.call("bob");
  calls.receive({ type: "bye", from: "robert", call: call.id, reason: "declined" });
  assert.deepEqual(ends, [[call.id, "declined"]]);

  calls.call("bob");
  calls.receive({ type: "bye", from: "bob", call: "another", reason: "declined" });
  assert.equal(ends.length, 1, "a frame of another call says nothing about this one");
});

test("a call that the service cannot read ends at once, and one that it can stays", () => {
  const { calls, sent, ends } = callsOf("alice");
  const unreadable = calls.call("a\uffff");
  const malformed = { type: "error", code: "malformed", message: "The message is not I-JSON." } as const;
  assert.equal(calls.refused(malformed), true);
  assert.deepEqual(ends, [[unreadable.id, "unreadable"]]);
  assert.deepEqual(sent, [], "nothing more is sent to such a login");

  const call = calls.call("bob");
  assert.equal(calls.refused({ ...malformed, code: "unknown-type" }), false);
  calls.receive({ type: "answer", from: "bob", call: call.id, sdp: "answer" });
  assert.equal(calls.refused(malformed), false);
  assert.equal(calls.current, call);
  assert.equal(calls.refused({ type: "error", code: "peer-unavailable", message: "", to: "carol" }), false);
});
