import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Correspondence } from "../conversation/correspondence.js";
import type { FrameToSend } from "../signaling/frames.js";
import { Call } from "./call.js";
import type { CallEnd } from "./ends.js";
import { decodeFrame, encodeFrame } from "./framing.js";
import { settled } from "../signaling/settled.fixture.js";

/** A description by whoever has the certificate `byte`, with ICE credentials. */
function sdp(byte: string, ufrag = "other"): string {
  return `v=0\r\na=ice-ufrag:${ufrag}\r\na=fingerprint:sha-256 ${Array(32).fill(byte).join(":")}\r\n`;
}

/** A data channel that opens when the test says. */
class FakeChannel {
  readyState = "connecting";
  bufferedAmount = 0;
  onopen: (() => void) | undefined;
  onmessage: ((event: { data: unknown }) => void) | undefined;
  onclose: (() => void) | undefined;
  readonly sent: Uint8Array[] = [];
  addEventListener() {}
  send(bytes: Uint8Array) {
    this.sent.push(bytes);
  }
  close() {
    this.readyState = "closed";
  }
  opens() {
    this.readyState = "open";
    this.onopen?.();
  }
}

/** A connection whose states and descriptions are the test's. */
class FakeConnection {
  static latest: FakeConnection;
  connectionState = "new";
  signalingState = "stable";
  localDescription: { type: string; sdp: string } | undefined;
  remoteDescription: { type: string; sdp: string } | undefined;
  onconnectionstatechange: (() => void) | null = null;
  onicecandidate: ((event: { candidate: { candidate: string; toJSON(): { candidate: string } } }) => void) | undefined;
  readonly channels: FakeChannel[] = [];
  readonly candidates: string[] = [];
  restarts = 0;
  configured: RTCConfiguration[] = [];

  getConfiguration() {
    return { certificates: ["its own"], iceServers: [], iceTransportPolicy: this.configured.at(-1)?.iceTransportPolicy ?? "all" };
  }
  setConfiguration(configuration: RTCConfiguration) {
    this.configured.push(configuration);
  }
  constructor() {
    FakeConnection.latest = this;
  }
  createDataChannel() {
    const channel = new FakeChannel();
    this.channels.push(channel);
    return channel;
  }
  restartIce() {
    this.restarts++;
  }
  async setLocalDescription() {
    const answering = this.signalingState === "have-remote-offer";
    this.localDescription = { type: answering ? "answer" : "offer", sdp: sdp("00", `own${this.restarts}`) };
    this.signalingState = answering ? "stable" : "have-local-offer";
  }
  async setRemoteDescription(description: { type: string; sdp: string }) {
    if (description.sdp.includes("nonsense")) throw new DOMException("cannot be parsed", "OperationError");
    if (description.type === "answer" && this.signalingState !== "have-local-offer") throw new DOMException("no offer is out", "InvalidStateError");
    this.remoteDescription = description;
    this.signalingState = description.type === "offer" ? "have-remote-offer" : "stable";
  }
  async addIceCandidate({ candidate }: { candidate: string }) {
    this.candidates.push(candidate);
  }
  async getStats() {
    return new Map();
  }
  /** As in Firefox, a closed connection has no descriptions. */
  close() {
    const get = () => {
      throw new DOMException("Peer connection is closed", "InvalidStateError");
    };
    Object.defineProperties(this, { localDescription: { get }, remoteDescription: { get } });
  }

  finds(candidate: string): void {
    this.onicecandidate?.({ candidate: { candidate, toJSON: () => ({ candidate }) } });
  }

  becomes(state: string): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}

const original = globalThis.RTCPeerConnection;
let clock = 0;

beforeEach(() => {
  clock = 0;
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  mock.method(performance, "now", () => clock);
  mock.method(console, "info", () => {});
  Object.assign(globalThis, { RTCPeerConnection: FakeConnection });
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
  Object.assign(globalThis, { RTCPeerConnection: original });
});

/** Lets time pass. */
async function pass(ms: number): Promise<void> {
  for (const end = clock + ms; clock < end; ) {
    clock += 250;
    mock.timers.tick(250);
    await settled();
  }
}

/** A call of alice's, or to her, that has not begun. */
function made(outgoing: boolean, bare = false, restores?: string) {
  const sent: FrameToSend[] = [];
  const ends: CallEnd[] = [];
  const service = { ready: true, keeps: false, doubted: false, hurried: 0 };
  const call = new Call({
    id: "call",
    peer: "bob",
    bare,
    outgoing,
    restores,
    configuration: () => ({ iceServers: [{ urls: `stun:${FakeConnection.latest?.restarts ?? 0}` }], certificates: [] }),
    correspondence: new Correspondence("alice's page"),
    send: (frame) => {
      if (!service.ready) return undefined;
      sent.push(frame);
      return JSON.stringify(frame);
    },
    canSignal: () => service.ready,
    keeps: () => service.keeps,
    doubted: () => service.doubted,
    hurry: () => void service.hurried++,
    over() {},
    listener: {
      opened() {},
      received() {},
      delivered() {},
      sent() {},
      read() {},
      typing() {},
      next() {},
      reconnectingChanged() {},
      ended: (_call, end) => ends.push(end),
    },
  });
  return { call, connection: FakeConnection.latest, sent, ends, service };
}

/** A call of alice's, or to her, that is open. */
async function open(outgoing: boolean, bare = false) {
  const { call, connection, sent, ends, service } = made(outgoing, bare);
  if (outgoing) {
    call.offer();
    await settled();
    call.receiveAnswer(sdp("01"), bare);
  } else call.receiveOffer(sdp("01"));
  await settled();
  connection.becomes("connected");
  const hears = (frame: Parameters<typeof encodeFrame>[0]) => connection.channels[0]!.onmessage?.({ data: encodeFrame(frame).buffer });
  for (const channel of connection.channels) channel.opens();
  if (!bare) hears({ kind: "hello", instance: "bob's page", received: undefined });
  assert.equal(call.phase, "open");
  sent.length = 0;
  return { call, connection, sent, ends, service, hears };
}

/** An open call whose restart was answered, and has failed since. */
async function failedRestart() {
  const opened = await open(true);
  opened.connection.becomes("disconnected");
  await settled();
  opened.call.receiveAnswer(sdp("01", "new"), false);
  await settled();
  opened.connection.becomes("failed");
  return opened;
}

function types(sent: FrameToSend[]): string[] {
  return sent.map(({ type }) => type);
}

test("a network that has changed is a reason to restart, and what is on goes on", async () => {
  const { call, connection, sent } = await open(true);
  call.restart();
  await settled();
  assert.deepEqual(types(sent), ["offer"]);
  assert.equal(connection.restarts, 1);
  assert.deepEqual(connection.configured, [{ certificates: ["its own"], iceServers: [{ urls: "stun:0" }], iceTransportPolicy: "all" }], "the servers of now");
  call.receiveAnswer(sdp("01", "new"), false);
  await settled();
  assert.equal(connection.remoteDescription?.sdp, sdp("01", "new"));
  call.receiveAnswer(sdp("01", "again"), false);
  await settled();
  assert.equal(connection.remoteDescription?.sdp, sdp("01", "new"), "a second answer answers nothing");
  assert.equal(call.phase, "open");
  assert.equal(call.reconnecting, false);
});

test("who does not answer the restart is gone within 10 s of the last sign of life", async () => {
  const { call, connection, sent, ends, hears } = await open(true);
  hears({ kind: "pong" });
  await pass(5_000);
  connection.becomes("disconnected"); // Browsers say so after 5 s.
  assert.equal(call.reconnecting, true);
  await pass(4_750);
  assert.deepEqual(ends, ["lost"]);
  assert.deepEqual(types(sent), ["offer", "bye"]);
  assert.deepEqual(sent[1], { type: "bye", reason: "left", lost: true, to: "bob", call: "call" });
});

test("who falls silent is gone within 10 s too where the browser says nothing", async () => {
  const { sent, ends, hears } = await open(true);
  await pass(2_500);
  hears({ kind: "pong" });
  await pass(10_000);
  assert.deepEqual(types(sent), ["offer", "bye"]);
  assert.deepEqual(ends, ["lost"]);
});

test("silence alone is noticed too, and a sign of life ends it", async () => {
  const { call, ends, hears, service } = await open(true);
  await pass(5_000);
  assert.deepEqual([service.hurried, call.reconnecting], [1, false], "the service is asked first");
  await pass(2_500);
  assert.deepEqual([service.hurried, call.reconnecting], [2, true], "after two beats without an answer");
  hears({ kind: "pong" });
  assert.equal(call.reconnecting, false);
  assert.deepEqual(ends, []);
});

test("a restart that finds no way is followed by others, for as long as one may take", async () => {
  const { call, connection, sent, ends } = await open(true);
  connection.becomes("disconnected");
  await settled();
  for (let attempts = 1; attempts <= 4; attempts++) {
    assert.deepEqual([types(sent).length, connection.restarts], [attempts, attempts]);
    call.receiveAnswer(sdp("01", `new${attempts}`), false);
    await settled();
    connection.becomes("connecting");
    await pass(4_750);
    connection.becomes("failed");
    await settled();
  }
  assert.deepEqual(ends, []);
  await pass(1_500);
  assert.deepEqual(ends, ["lost"]);
});

test("a connection that fails while candidates may still come goes on", async () => {
  for (const saved of [true, false]) {
    const { call, connection, sent, ends } = made(true);
    call.offer();
    await settled();
    await pass(10_000);
    call.receiveAnswer(sdp("01"), false);
    await settled();
    connection.becomes("failed"); // The relay has refused the first candidate.
    await pass(3_750);
    assert.deepEqual([call.phase, ends], ["connecting", []]);
    if (saved) connection.becomes("connected");
    await pass(500);
    assert.deepEqual(ends, saved ? [] : ["no-connection"]);
    assert.deepEqual(types(sent), saved ? ["offer"] : ["offer", "bye"]);
    call.end("hung-up");
  }
});

test("a restart that fails while candidates may still come is followed by no other", async () => {
  const { call, connection, sent } = await failedRestart();
  await pass(3_750);
  connection.becomes("connected");
  await pass(1_000);
  assert.deepEqual([types(sent), call.reconnecting], [["offer"], false]);
  call.end("hung-up");
});

test("a call that is over still says who its ends were", async () => {
  for (const end of ["lost", "rerouted", "superseded", "no-connection"] as const) {
    const { call } = await open(true);
    const { fingerprints } = call;
    assert.notEqual(fingerprints, undefined);
    call.end(end);
    assert.deepEqual(call.fingerprints, fingerprints, end);
    assert.equal(call.continues(sdp("01", "late")), true, end);
  }
});

test("a connection that has failed is restarted once at a time", async () => {
  for (const why of ["the network has changed", "it was up meanwhile", "it stays as it was"] as const) {
    const { call, connection, sent } = await failedRestart();
    await pass(1_000);
    if (why === "the network has changed") call.restart();
    if (why === "it was up meanwhile") {
      connection.becomes("connected");
      connection.becomes("failed");
    }
    await pass(3_250);
    assert.deepEqual(types(sent), ["offer", "offer"], why);
    call.receiveAnswer(sdp("01", "newer"), false);
    await settled();
    await pass(3_750);
    assert.equal(sent.length, 2, why);
    await pass(500);
    assert.deepEqual(types(sent), ["offer", "offer", "offer"], `${why}: nobody says that it still has no route`);
    call.end("hung-up");
  }
});

test("a channel that the browser ends is a loss, whether the restart was answered or not", async () => {
  for (const answered of [false, true]) {
    const { call, connection, ends } = await open(true);
    connection.becomes("disconnected");
    await settled();
    if (answered) call.receiveAnswer(sdp("01", "new"), false);
    await settled();
    connection.channels[0]!.onclose!();
    assert.deepEqual(ends, ["lost"]);
  }
});

test("a restart waits for the service, up to a minute", async () => {
  const { call, connection, sent, ends, service } = await open(false);
  service.ready = false;
  connection.becomes("failed");
  await pass(50_000);
  assert.deepEqual(ends, []);
  assert.deepEqual(types(sent), []);
  service.ready = true;
  call.serviceReady();
  await settled();
  assert.deepEqual(types(sent), ["offer"]);
  call.receiveAnswer(sdp("01", "new"), false);
  await settled();
  await pass(15_000);
  assert.deepEqual(ends, [], "an answer gives it more time");
  connection.becomes("connected");
  assert.equal(call.reconnecting, false);

  service.ready = false;
  connection.becomes("disconnected");
  await pass(61_000);
  assert.deepEqual(ends, ["lost"]);
});

test("a client without framing gets no restart when the service is ready again", async () => {
  const { call, connection, sent, service } = await open(true, true);
  service.ready = false;
  connection.becomes("disconnected");
  await pass(1_000);
  service.ready = true;
  call.serviceReady();
  await settled();
  assert.deepEqual(types(sent), []);
  call.end("hung-up");
});

test("a network that was back before the browser noticed that it was away was away", async () => {
  const { call, connection, ends } = await open(false);
  call.serviceReady();
  await pass(3_000);
  connection.becomes("disconnected");
  call.peerUnavailable();
  assert.deepEqual(ends, ["lost"], "the other page may come back to the service later");
});

test("an offer that went out just before the service dropped is made again", async () => {
  const { call, sent } = await open(true);
  call.restart();
  await settled();
  call.serviceReady();
  await settled();
  assert.deepEqual(types(sent), ["offer", "offer"]);
});

test("of two restarts in the same instant the caller's goes on", async () => {
  const caller = await open(true);
  caller.call.restart();
  await settled();
  caller.call.receiveOffer(sdp("01", "theirs"));
  await settled();
  assert.deepEqual(types(caller.sent), ["offer"]);
  caller.call.receiveCandidate({ candidate: "candidate:1", usernameFragment: "theirs" });
  caller.call.receiveCandidate({ candidate: "candidate:2", usernameFragment: "other" });
  await settled();
  assert.deepEqual(caller.connection.candidates, ["candidate:2"], "those of the offer that was passed over are, too");

  const called = await open(false);
  called.call.restart();
  await settled();
  called.call.receiveOffer(sdp("01", "theirs"));
  await settled();
  assert.deepEqual(types(called.sent), ["offer", "answer"]);
});

test("the caller's restart that was never answered does not stand in the way of the other's", async () => {
  const { call, sent } = await open(true);
  call.restart();
  await settled();
  await pass(3_000);
  call.receiveOffer(sdp("01", "theirs"));
  await settled();
  assert.deepEqual(types(sent), ["offer", "answer"]);
});

test("what cannot be read leaves an open call as it is", async () => {
  const { call, connection, ends } = await open(true);
  call.receiveOffer(`${sdp("01")}nonsense`);
  call.receiveOffer("");
  await settled();
  call.restart();
  await settled();
  call.receiveAnswer(`${sdp("01")}nonsense`, false);
  await settled();
  call.receiveAnswer(sdp("01", "new"), false);
  await settled();
  assert.equal(connection.remoteDescription?.sdp, sdp("01", "new"));
  assert.deepEqual(ends, []);
});

test("a call that the other side gives up is lost, and one that it hangs up is not", async () => {
  for (const [reason, end] of [["lost", "lost"], ["left", "left"]] as const) {
    const { call, connection, ends } = await open(true);
    connection.becomes("disconnected");
    call.receiveBye(reason);
    assert.deepEqual(ends, [end]);
  }
});

test("only a call that a person or a page ends says goodbye on the channel: what is lost is restored", async () => {
  for (const [end, goodbye] of [["hung-up", true], ["garbled", true], ["lost", false]] as const) {
    const { call, connection } = await open(true);
    const channel = connection.channels[0]!;
    call.end(end);
    const said = channel.sent.some((bytes) => decodeFrame(bytes).kind === "goodbye");
    assert.equal(said, goodbye, end);
  }
});

test("where nobody has the other's login any more, the other is gone if the connection is in trouble, too", async () => {
  const { call, connection, ends } = await open(true);
  call.restart();
  await settled();
  call.peerUnavailable();
  assert.deepEqual(ends, []);
  connection.becomes("disconnected");
  call.peerUnavailable();
  assert.deepEqual(ends, ["gone"]);
});

test("a bye by way of the service ends an open call unless the other page is still there", async () => {
  for (const answers of [true, false]) {
    const { call, connection, ends } = await open(true);
    const channel = connection.channels[0]!;
    let pings = 0;
    channel.send = () => void pings++;
    call.receiveBye("left");
    assert.equal(pings, 1, "the other page is asked on the channel");
    await pass(500);
    if (answers) channel.onmessage!({ data: encodeFrame({ kind: "pong" }).buffer });
    await pass(2_000);
    assert.deepEqual(ends, answers ? [] : ["left"]);
    call.end("hung-up");
  }
});

test("what was sent while the call was being set up is sent again when the service is back", async () => {
  const { call, connection, sent, ends, service } = made(true, false, "the lost one");
  service.ready = false;
  call.offer();
  await settled();
  assert.deepEqual(types(sent), [], "the service went away in the same moment");
  await pass(15_000);
  service.ready = true;
  call.serviceReady();
  await settled();
  assert.deepEqual(types(sent), ["offer"]);
  assert.equal((sent[0] as { restores?: string }).restores, "the lost one");
  await pass(15_000);
  assert.deepEqual(ends, [], "the other side has its full time");
  call.receiveAnswer(sdp("01"), false);
  await settled();
  connection.finds("candidate:1");
  call.serviceReady();
  await settled();
  assert.deepEqual(types(sent), ["offer", "ice-candidate", "ice-candidate"]);
  call.end("hung-up");

  const called = made(false);
  called.call.receiveOffer(sdp("01"));
  await settled();
  called.connection.finds("candidate:2");
  called.call.serviceReady();
  await settled();
  assert.deepEqual(types(called.sent), ["answer", "ice-candidate", "answer", "ice-candidate"]);
  called.call.end("hung-up");
});

test("who is not back at the service when this page is may come a little later", async () => {
  const { call, sent, ends } = made(true);
  call.offer();
  await settled();
  call.serviceReady();
  for (let i = 0; i < 9; i++) {
    await settled();
    call.peerUnavailable();
    await pass(1_000);
  }
  assert.deepEqual([ends, types(sent).length], [[], 11]);
  await pass(1_000);
  call.peerUnavailable();
  assert.deepEqual(ends, ["unavailable"]);
});

test("whose fault it is that nobody answers is told apart", async () => {
  for (const [ready, answered, end] of [[true, false, "no-answer"], [true, true, "no-connection"], [false, false, "unreached"], [false, true, "unreached"]] as const) {
    const { call, sent, ends, service } = made(true);
    call.offer();
    await settled();
    if (answered) call.receiveAnswer(sdp("01"), false);
    service.ready = ready;
    await pass(20_000);
    assert.deepEqual(ends, [end]);
    assert.deepEqual(sent.at(-1), ready ? { type: "bye", reason: "left", lost: true, to: "bob", call: "call" } : sent[0]);
  }
});

test("a call that the other side gives up before it opens has found no connection", async () => {
  for (const [reason, end] of [["lost", "no-connection"], ["left", "left"]] as const) {
    const { call, ends } = made(false);
    call.receiveOffer(sdp("01"));
    await settled();
    call.receiveBye(reason);
    assert.deepEqual(ends, [end]);
  }
});

test("a page that was asleep asks the other at once, and reconnects without an answer", async () => {
  for (const answers of [true, false]) {
    const { call, sent, hears } = await open(true);
    void call.check();
    if (answers) hears({ kind: "pong" });
    await pass(2_250);
    assert.deepEqual([call.reconnecting, types(sent)], answers ? [false, []] : [true, ["offer"]]);
    call.end("hung-up");
  }
});

test("in a session that goes on nothing is sent twice", async () => {
  const { call, connection, sent, service, ends } = made(true);
  service.keeps = true;
  call.offer();
  await settled();
  call.serviceReady(true);
  await settled();
  assert.deepEqual(types(sent), ["offer"]);
  call.receiveAnswer(sdp("01"), false);
  await settled();
  await pass(4_750);
  connection.becomes("failed"); // Some browsers look for a way for 5 s only.
  await settled();
  assert.deepEqual([types(sent), ends], [["offer", "offer"], []], "the network was away");
  call.end("hung-up");

  const reconnecting = await open(true);
  reconnecting.service.keeps = true;
  reconnecting.connection.becomes("disconnected");
  await settled();
  reconnecting.service.ready = false;
  await pass(5_000);
  reconnecting.service.ready = true;
  reconnecting.call.serviceReady(true);
  await settled();
  assert.deepEqual(types(reconnecting.sent), ["offer"], "the offer to restart is still out");
  reconnecting.call.end("hung-up");
});
