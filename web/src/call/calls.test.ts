import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Correspondence } from "../conversation/correspondence.js";
import type { FrameToSend } from "../signaling/frames.js";
import type { Call } from "./call.js";
import { Calls, type Request } from "./calls.js";
import type { CallEnd } from "./ends.js";
import { settled } from "../signaling/settled.fixture.js";

/** A description by whoever has the certificate `byte`. */
function sdp(byte: string): string {
  return `v=0\r\na=fingerprint:sha-256 ${Array(32).fill(byte).join(":")}\r\n`;
}

/** A connection that takes every description and finds no way to the other side. */
class FakeConnection {
  localDescription: { sdp: string } | undefined;
  remoteDescription: { sdp: string } | undefined;
  createDataChannel() {
    return { readyState: "connecting", addEventListener() {}, close() {} };
  }
  async setLocalDescription() {
    this.localDescription = { sdp: sdp("00") };
  }
  async setRemoteDescription(description: { sdp: string }) {
    this.remoteDescription = description;
  }
  async addIceCandidate({ candidate }: { candidate: string }) {
    added.push(candidate);
  }
  close() {}
}

/** The candidates that connections have got. */
const added: string[] = [];

const original = globalThis.RTCPeerConnection;

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout"] });
  Object.assign(globalThis, { RTCPeerConnection: FakeConnection });
  added.length = 0;
});

afterEach(() => {
  mock.timers.reset();
  Object.assign(globalThis, { RTCPeerConnection: original });
});

/** The calls of a login, what they send, and how they end. `device` is when the device answers. */
function callsOf(me: string, policy: "take" | "ask" | "ignore" = "take", device = Promise.resolve()) {
  const sent: FrameToSend[] = [];
  const ends: [string, CallEnd][] = [];
  const requests: Request[] = [];
  const abandoned: string[] = [];
  const recalled = new Set<string>();
  const calls = new Calls({
    me,
    configuration: () => ({}),
    send: (frame) => {
      sent.push(frame);
      return JSON.stringify(frame);
    },
    canSignal: () => true,
    keeps: () => false,
    doubted: () => false,
    hurry() {},
    policy: () => policy,
    known: (peer) => peer.startsWith("friend") || recalled.has(peer),
    recall: async (peer) => {
      await device;
      if (peer.startsWith("old friend")) recalled.add(peer);
      return recalled.has(peer);
    },
    correspondence: () => new Correspondence(me),
    listener: {
      began() {},
      requested: (request) => requests.push(request),
      refused() {},
      abandoned: (peer, id) => abandoned.push(`${peer} ${id}`),
      settled: (request) => requests.splice(requests.indexOf(request), 1),
      opened() {},
      received() {},
      delivered() {},
      sent() {},
      read() {},
      typing() {},
      next() {},
      reconnectingChanged() {},
      ended: (call: Call, end) => ends.push([call.id, end]),
    },
  });
  return { calls, sent, ends, requests, abandoned };
}

test("an offer of a call that is over neither ends the current one nor begins anew", () => {
  const { calls, sent, ends } = callsOf("alice");
  calls.receive({ type: "offer", from: "bob", call: "first", sdp: sdp("01") });
  calls.receive({ type: "bye", from: "bob", call: "first", reason: "left" });
  calls.receive({ type: "offer", from: "bob", call: "second", sdp: sdp("01") });
  calls.receive({ type: "offer", from: "bob", call: "first", sdp: sdp("01") });
  assert.deepEqual(ends, [["first", "left"]]);
  assert.equal(calls.with("bob")?.id, "second");

  calls.receive({ type: "offer", from: "bob", call: "third", sdp: sdp("01") });
  assert.equal(calls.with("bob")?.id, "third", "a new call of the same two takes the place of the one before");
  const byes = sent.filter(({ type }) => type === "bye");
  assert.deepEqual(byes, [{ type: "bye", reason: "left", to: "bob", call: "first" }], "who tries to restore what is over is told");
});

test("several call at once, and none disturbs another", () => {
  const { calls, ends } = callsOf("alice");
  for (const peer of ["bob", "carol", "dave"]) calls.receive({ type: "offer", from: peer, call: `of ${peer}`, sdp: sdp("01") });
  assert.deepEqual(calls.all.map(({ id }) => id), ["of bob", "of carol", "of dave"]);
  calls.receive({ type: "bye", from: "carol", call: "of carol", reason: "left" });
  assert.deepEqual(ends, [["of carol", "left"]]);
  assert.equal(calls.all.length, 2);
});

test("a flood of offers makes a few calls only", async () => {
  for (const policy of ["take", "ask"] as const) {
    const { calls, sent, requests } = callsOf("alice", policy);
    for (let i = 0; i < 1_000; i++) calls.receive({ type: "offer", from: `peer ${i}`, call: `call ${i}`, sdp: sdp("01") });
    await settled();
    assert.equal(calls.all.length + requests.length, 8, policy);
    assert.equal(sent.filter((frame) => frame.type === "bye" && frame.reason === "busy").length, 992, policy);
    calls.end();
    assert.equal(requests.length, 0, policy);
  }
});

test("one who calls over and over again gets a number of connections, and no more", async () => {
  const { calls, sent } = callsOf("alice");
  let made = 0;
  Object.assign(globalThis, {
    RTCPeerConnection: class extends FakeConnection {
      constructor() {
        super();
        made++;
      }
    },
  });
  for (let i = 0; i < 1_000; i++) calls.receive({ type: "offer", from: "bob", call: `call ${i}`, sdp: sdp("01") });
  await settled();
  assert.equal(made, 32);
  assert.equal(calls.all.length, 1);
  assert.equal(sent.filter((frame) => frame.type === "bye" && frame.reason === "busy").length, 968);
});

test("an offer for a call that is on is taken from the same other end only", async () => {
  const { calls, sent, ends } = callsOf("alice");
  calls.receive({ type: "offer", from: "bob", call: "first", sdp: sdp("01") });
  await new Promise((resolve) => setImmediate(resolve));
  const call = calls.with("bob")!;
  sent.length = 0;
  calls.receive({ type: "offer", from: "bob", call: "first", sdp: sdp("02") });
  calls.receive({ type: "answer", from: "bob", call: "first", sdp: sdp("02") });
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(sent, []);
  assert.deepEqual(ends, []);
  calls.receive({ type: "offer", from: "bob", call: "first", sdp: sdp("01") });
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(sent.map(({ type }) => type), ["answer"]);
  assert.equal(calls.with("bob"), call);
});

test("frames of calls that nobody knows disturb nothing", async () => {
  const { calls, sent, ends } = callsOf("alice");
  const call = calls.call("bob");
  await new Promise((resolve) => setImmediate(resolve));
  sent.length = 0;
  calls.receive({ type: "bye", from: "bob", call: "unknown", reason: "left" });
  calls.receive({ type: "bye", from: "carol", reason: "busy" });
  calls.receive({ type: "answer", from: "carol", sdp: sdp("01") });
  for (let i = 0; i < 1_000; i++) {
    calls.receive({ type: "ice-candidate", from: `peer ${i}`, call: `call ${i}`, candidate: { candidate: "candidate:1" } });
  }
  assert.deepEqual(sent, []);
  assert.deepEqual(ends, []);
  calls.receive({ type: "answer", from: "bob", call: "unknown", sdp: sdp("01") });
  assert.deepEqual(sent, [{ type: "bye", reason: "left", to: "bob", call: "unknown" }]);
  assert.equal(calls.with("bob"), call);
  assert.equal(call.phase, "calling");
});

test("who asks waits for the answer, and nothing is made of the offer before it", () => {
  const { calls, sent, requests } = callsOf("alice", "ask");
  calls.receive({ type: "offer", from: "bob", call: "first", sdp: sdp("01") });
  assert.equal(calls.all.length, 0);
  assert.deepEqual(sent, []);
  calls.decline(requests[0]!);
  assert.deepEqual(sent, [{ type: "bye", reason: "declined", to: "bob", call: "first" }]);

  calls.receive({ type: "offer", from: "bob", call: "second", sdp: sdp("01") });
  const request = requests[0]!;
  calls.receive({ type: "bye", from: "bob", call: "second", reason: "left" });
  assert.equal(requests.length, 0, "who hangs up is no longer asked about");
  assert.equal(calls.accept(request), undefined);

  calls.receive({ type: "offer", from: "bob", call: "third", sdp: sdp("01") });
  assert.equal(calls.accept(requests[0]!)?.id, "third");

  calls.receive({ type: "offer", from: "carol", call: "fourth", sdp: sdp("01") });
  mock.timers.tick(30_000);
  assert.equal(requests.length, 0, "nobody is asked about who has given up long ago");
});

test("whoever calls over and over again is asked about once, and the newest call counts", () => {
  const { calls, requests } = callsOf("alice", "ask");
  for (let i = 0; i < 200; i++) calls.receive({ type: "offer", from: "mallory", call: `call ${i}`, sdp: sdp("01") });
  assert.equal(requests.length, 1);
  assert.deepEqual(calls.requests.map(({ id }) => id), ["call 199"]);
  assert.equal(calls.accept(calls.requests[0]!)?.id, "call 199");

  const { calls: others, sent } = callsOf("alice", "ask");
  for (let i = 0; i < 3; i++) others.receive({ type: "offer", from: "carol", call: "the same", sdp: sdp("01") });
  assert.deepEqual([others.requests.length, sent.length], [1, 0], "an offer that is repeated is the one that waits");
});

const candidate = (from: string, call: string, name: string) => ({ type: "ice-candidate", from, call, candidate: { candidate: name } }) as const;

test("whatever others send, the candidates of an offer that waits for the person are kept", async () => {
  const { calls } = callsOf("alice", "ask");
  calls.receive({ type: "offer", from: "bob", call: "of bob", sdp: sdp("01") });
  for (const name of ["first", "second"]) calls.receive(candidate("bob", "of bob", name));
  for (let i = 0; i < 100; i++) {
    calls.receive(candidate("blocked", `made up ${i}`, "junk"));
    // Each offer takes the place of the one before, or is taken back.
    calls.receive({ type: "offer", from: "carol", call: `replaced ${i}`, sdp: sdp("02") });
    calls.receive(candidate("carol", `replaced ${i}`, "junk"));
    calls.receive({ type: "offer", from: "dave", call: `cancelled ${i}`, sdp: sdp("03") });
    calls.receive(candidate("dave", `cancelled ${i}`, "junk"));
    calls.receive({ type: "bye", from: "dave", call: `cancelled ${i}`, reason: "left" });
    const from = `frank ${i}`;
    calls.receive({ type: "offer", from, call: `of frank ${i}`, sdp: sdp("06") });
    calls.receive({ type: "ice-candidate", from, candidate: { candidate: "junk" } });
    calls.receive({ type: "bye", from, call: `of frank ${i}`, reason: "left" });
    calls.receive({ type: "offer", from, sdp: sdp("06") });
    calls.receive({ type: "ice-candidate", from, candidate: { candidate: "junk" } });
    calls.receive({ type: "bye", from, reason: "left" });
  }
  for (let i = 0; i < 7; i++) calls.receive({ type: "offer", from: `stranger ${i}`, call: `call ${i}`, sdp: sdp("04") });
  for (let i = 0; i < 50; i++) {
    calls.receive({ type: "offer", from: "erin", call: `over the limit ${i}`, sdp: sdp("05") });
    calls.receive(candidate("erin", `over the limit ${i}`, "junk"));
  }
  calls.accept(calls.requests.find(({ peer }) => peer === "bob")!);
  await settled();
  assert.deepEqual(added, ["first", "second"]);
  calls.end();
});

test("a candidate that comes before its offer waits for it", async () => {
  for (const policy of ["take", "ask"] as const) {
    const { calls } = callsOf("alice", policy);
    added.length = 0;
    calls.receive(candidate("bob", "of bob", "first"));
    calls.receive({ type: "offer", from: "bob", call: "of bob", sdp: sdp("01") });
    calls.receive(candidate("bob", "of bob", "second"));
    if (policy === "ask") calls.accept(calls.requests[0]!);
    await settled();
    assert.deepEqual(added, ["first", "second"], policy);
    calls.end();
  }
});

test("the candidates of somebody about whom the device is asked wait too", async () => {
  const { calls } = callsOf("alice", "ask");
  for (let i = 0; i < 8; i++) calls.receive({ type: "offer", from: `stranger ${i}`, call: `call ${i}`, sdp: sdp("01") });
  calls.receive({ type: "offer", from: "old friend", call: "theirs", sdp: sdp("02") });
  calls.receive(candidate("old friend", "theirs", "first"));
  await settled();
  calls.receive(candidate("old friend", "theirs", "second"));
  calls.accept(calls.requests.find(({ peer }) => peer === "old friend")!);
  await settled();
  assert.deepEqual(added, ["first", "second"]);
  calls.end();
});

test("while the device does not answer, a bounded number of offers waits for it", async () => {
  const { calls, sent } = callsOf("alice", "ask", new Promise(() => {}));
  for (let i = 0; i < 1_000; i++) calls.receive({ type: "offer", from: `stranger ${i}`, call: `call ${i}`, sdp: sdp("01") });
  await settled();
  assert.equal(sent.filter((frame) => frame.type === "bye" && frame.reason === "busy").length, 1_000 - 8 - 128);
  calls.end();
});

test("offers of a blocked login are as if nobody were here", () => {
  const { calls, sent, requests } = callsOf("alice", "ignore");
  calls.receive({ type: "offer", from: "bob", call: "first", sdp: sdp("01") });
  calls.receive({ type: "ice-candidate", from: "bob", call: "first", candidate: { candidate: "candidate:1" } });
  calls.receive({ type: "answer", from: "bob", call: "unknown", sdp: sdp("01") });
  assert.deepEqual([calls.all.length, requests.length, sent.length], [0, 0, 0]);
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
  assert.equal(calls.serviceError(malformed), true);
  assert.deepEqual(ends, [[unreadable.id, "unreadable"]]);
  assert.deepEqual(sent, [], "nothing more is sent to such a login");

  const call = calls.call("bob");
  assert.equal(calls.serviceError({ ...malformed, code: "unknown-type" }), false);
  calls.receive({ type: "answer", from: "bob", call: call.id, sdp: sdp("02") });
  assert.equal(calls.serviceError(malformed), false);
  assert.equal(calls.with("bob"), call);
  assert.equal(calls.serviceError({ type: "error", code: "peer-unavailable", message: "", to: "carol" }), false);
});

test("whose offer goes on in spite of another one offers again, because the first may have been lost", async () => {
  for (const answered of [false, true]) {
    const { calls, sent } = callsOf("bob");
    const call = calls.call("alice");
    await settled();
    calls.receive({ type: "offer", from: "alice", call: "hers", sdp: sdp("01") });
    if (answered) calls.receive({ type: "answer", from: "alice", call: call.id, sdp: sdp("01") });
    await settled();
    mock.timers.tick(500);
    await settled();
    assert.deepEqual([calls.with("alice"), sent.map(({ type }) => type)], [call, answered ? ["offer"] : ["offer", "offer"]]);
    calls.end();
  }
});

test("strangers do not take the room of people whom this browser knows", async () => {
  for (const policy of ["take", "ask"] as const) {
    const { calls, sent, requests } = callsOf("alice", policy);
    for (let i = 0; i < 100; i++) calls.receive({ type: "offer", from: `stranger ${i}`, call: `call ${i}`, sdp: sdp("01") });
    for (let i = 0; i < 5; i++) calls.receive({ type: "offer", from: `old friend ${i}`, call: `old friend's ${i}`, sdp: sdp("01") });
    await settled();
    for (let i = 0; i < 5; i++) calls.receive({ type: "offer", from: `friend ${i}`, call: `friend's ${i}`, sdp: sdp("01") });
    await settled();
    const taken = [...calls.all, ...requests].map(({ peer }) => peer);
    assert.deepEqual([taken.filter((peer) => peer.includes("friend")).length, taken.length], [8, 16], policy);
    assert.equal(sent.filter((frame) => frame.type === "bye" && frame.reason === "busy").length, 94, policy);
    calls.end();
  }
});

test("a call that is cancelled while the device is asked about its sender does not come up", async () => {
  const { calls, sent, requests } = callsOf("alice", "ask");
  for (let i = 0; i < 8; i++) calls.receive({ type: "offer", from: `stranger ${i}`, call: `call ${i}`, sdp: sdp("01") });
  calls.receive({ type: "offer", from: "old friend", call: "cancelled", sdp: sdp("01") });
  calls.receive({ type: "bye", from: "old friend", call: "cancelled", reason: "left" });
  await settled();
  assert.deepEqual([requests.length, calls.requests.some(({ peer }) => peer === "old friend"), sent.filter(({ type }) => type === "bye")], [8, false, []]);
  calls.end();
});

test("who wants to restore a call that the person has ended here is told so, and one that was lost is restored", () => {
  const { calls, sent, ends, abandoned } = callsOf("alice");
  const offers = (call: string, restores?: string) => calls.receive({ type: "offer", from: "bob", call, sdp: sdp("01"), ...(restores === undefined ? {} : { restores }) });
  offers("first");
  calls.with("bob")!.end("lost");
  offers("second", "first");
  assert.equal(calls.with("bob")?.id, "second");
  calls.with("bob")!.end("lost");
  sent.length = 0;
  calls.abandon("bob", "first");
  offers("third", "first");
  assert.deepEqual(sent, ["first", "third"].map((call) => ({ type: "bye", reason: "left", to: "bob", call })));
  assert.deepEqual([calls.with("bob"), ends.map(([id]) => id)], [undefined, ["first", "second"]]);
  offers("fourth");
  assert.equal(calls.with("bob")?.id, "fourth", "a person may call anew");

  calls.receive({ type: "bye", from: "carol", call: "lost there", reason: "left" });
  calls.receive({ type: "bye", from: "carol", call: "lost there", reason: "lost" });
  assert.deepEqual(abandoned, ["carol lost there"]);
  calls.end();
});
