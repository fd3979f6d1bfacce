import assert from "node:assert/strict";
import { test } from "node:test";
import { Negotiation, UnprovenError, type NegotiationFrame } from "./negotiation.js";
import { settled } from "../signaling/settled.fixture.js";

/** A description by whoever has the certificate `byte`. */
function sdp(byte: string): string {
  return `v=0\r\na=fingerprint:sha-256 ${Array(32).fill(byte).join(":")}\r\n`;
}

/** A negotiation and what it does. Candidates called "unusable" are refused by the connection. */
function negotiating(options: { outgoing?: boolean; bare?: boolean } = {}) {
  const sent: NegotiationFrame[] = [];
  const told = { gathering: 0, described: 0, failed: [] as unknown[] };
  const service = { ready: true };
  const connection = {
    localDescription: undefined as { sdp: string } | undefined,
    remoteDescription: undefined as { sdp: string } | undefined,
    onicecandidate: undefined as ((event: { candidate: unknown }) => void) | undefined,
    candidates: [] as string[],
    restarts: 0,
    restartIce: () => void connection.restarts++,
    setLocalDescription: async () => void (connection.localDescription = { sdp: sdp("00") }),
    setRemoteDescription: async (description: { sdp: string }) => void (connection.remoteDescription = description),
    addIceCandidate: async ({ candidate }: { candidate: string }) => {
      if (candidate === "unusable") throw new DOMException("of no use", "OperationError");
      connection.candidates.push(candidate);
    },
  };
  const negotiation = new Negotiation({
    connection: connection as unknown as RTCPeerConnection,
    outgoing: options.outgoing ?? true,
    restores: undefined,
    bare: () => options.bare === true,
    canSignal: () => service.ready,
    gathering: () => void told.gathering++,
    send: (frame) => void sent.push(frame),
    described: () => void told.described++,
    failed: (error) => void told.failed.push(error),
  });
  const finds = (candidate: string) => connection.onicecandidate!({ candidate: { candidate, toJSON: () => ({ candidate }) } });
  return { negotiation, connection, sent, told, service, finds };
}

test("candidates of this side wait until the other side is there", async () => {
  const { negotiation, connection, sent, told, finds } = negotiating();
  negotiation.offer();
  await settled();
  finds("early");
  finds("");
  connection.onicecandidate!({ candidate: null });
  assert.deepEqual(sent.map(({ type }) => type), ["offer"]);
  negotiation.receiveAnswer(sdp("01"));
  await settled();
  finds("late");
  assert.deepEqual(sent.slice(1), ["early", "late"].map((candidate) => ({ type: "ice-candidate", "ice-candidate": { candidate } })));
  assert.deepEqual([told.described, negotiation.offering, negotiation.fingerprints?.own === negotiation.fingerprints?.peer], [1, false, false]);
});

test("candidates of the other side wait for its description, up to a bound, and one that is unusable harms no other", async (context) => {
  context.mock.method(console, "warn", () => {});
  const { negotiation, connection, told } = negotiating({ outgoing: false });
  negotiation.receiveCandidate({ candidate: "unusable" });
  for (let i = 1; i < 1_000; i++) negotiation.receiveCandidate({ candidate: `candidate:${i}` });
  await settled();
  assert.deepEqual(connection.candidates, []);
  negotiation.receiveOffer(sdp("01"));
  negotiation.receiveCandidate({ candidate: "late" });
  await settled();
  assert.deepEqual([connection.candidates.length, connection.candidates.at(-1), told.failed], [256, "late", []]);
});

test("a client without framing gets its candidates under both names", async () => {
  const { negotiation, sent, finds } = negotiating({ outgoing: false, bare: true });
  finds("one");
  negotiation.receiveOffer(sdp("01"));
  await settled();
  const candidate = { candidate: "one" };
  assert.deepEqual(sent.slice(1), [{ type: "ice-candidate", "ice-candidate": candidate, iceCandidate: candidate }]);
});

test("a restart waits until signaling frames can go out", async () => {
  const { negotiation, connection, sent, service } = negotiating();
  service.ready = false;
  negotiation.restart();
  await settled();
  assert.deepEqual([sent, negotiation.offering], [[], false]);
  service.ready = true;
  negotiation.restartIfDue();
  service.ready = false; // Before its turn comes.
  await settled();
  assert.deepEqual(sent, []);
  service.ready = true;
  negotiation.restartIfDue();
  await settled();
  assert.deepEqual([sent.map(({ type }) => type), connection.restarts, negotiation.offering], [["offer"], 1, true]);
  negotiation.restartIfDue();
  negotiation.withdraw();
  negotiation.receiveAnswer(sdp("01"));
  await settled();
  assert.deepEqual([sent.length, connection.remoteDescription], [1, undefined], "an offer that was withdrawn takes no answer");
});

test("candidates are gathered with the servers of now when either side restarts, and not before", async () => {
  const { negotiation, told } = negotiating({ outgoing: false });
  negotiation.receiveOffer(sdp("01"));
  await settled();
  assert.equal(told.gathering, 0, "the connection has just been made with them");
  negotiation.receiveOffer(sdp("01"));
  await settled();
  assert.equal(told.gathering, 1);
  negotiation.restart();
  await settled();
  assert.equal(told.gathering, 2);
});

test("a step that fails is told, unless the negotiation is closed, and no step follows then", async () => {
  const { negotiation, connection, sent, told, finds } = negotiating({ outgoing: false });
  negotiation.receiveOffer("no fingerprint");
  await settled();
  assert.equal(told.failed.length, 1);
  connection.setRemoteDescription = async () => {
    negotiation.close();
    throw new DOMException("closed", "InvalidStateError");
  };
  negotiation.receiveOffer(sdp("01"));
  negotiation.offer();
  await settled();
  finds("late");
  assert.deepEqual([told.failed.length, sent], [1, []]);
});

test("the browser gets the SHA-256 fingerprint alone, and nothing goes out unless it says that it has taken that one", async () => {
  const several = `v=0\r\na=FINGERPRINT:sha-384 ${Array(48).fill("02").join(":")}\r\na=fingerprint:SHA-256 ${Array(32).fill("01").join(":")}\r\n`;
  const { negotiation, connection, sent, told } = negotiating({ outgoing: false });
  negotiation.receiveOffer(several);
  await settled();
  assert.deepEqual([connection.remoteDescription?.sdp, sent.map(({ type }) => type), told.failed], [sdp("01"), ["answer"], []]);

  const read = ["", sdp("02"), sdp("01") + sdp("02"), several].map((text) => ({ text, outgoing: false }));
  for (const { text, outgoing } of [...read, ...read.map(({ text }) => ({ text, outgoing: true }))]) {
    const { negotiation, connection, sent, told, finds } = negotiating({ outgoing });
    connection.setRemoteDescription = async () => void (connection.remoteDescription = { sdp: text });
    if (outgoing) {
      negotiation.offer();
      negotiation.receiveAnswer(sdp("01"));
    } else negotiation.receiveOffer(sdp("01"));
    await settled();
    finds("late");
    assert.equal((told.failed[0] as UnprovenError).end, "other-certificate");
    assert.deepEqual([sent.map(({ type }) => type), told.described], [outgoing ? ["offer"] : [], 0]);
  }
});

test("a description is refused by the reason for which nobody knows whose it is", async () => {
  for (const [text, end] of [
    ["v=0\r\n", "missing-fingerprint"],
    [sdp("01") + sdp("02"), "several-fingerprints"],
    ["v=0\r\na=fingerprint:sha-256 01", "unreadable-fingerprint"],
    ["nonsense", undefined],
  ] as const) {
    const { negotiation, connection, sent, told } = negotiating({ outgoing: false });
    negotiation.receiveOffer(text);
    await settled();
    assert.deepEqual([(told.failed[0] as UnprovenError).end, connection.remoteDescription, sent], [end, undefined, []]);
  }
});
