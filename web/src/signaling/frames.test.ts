import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFields } from "./fields.js";
import { byeFrame, readFrame } from "./frames.js";

const parseFrame = (text: string) => readFrame(parseFields(text) ?? {});

test("frames are read with either spelling of candidates", () => {
  const candidate = { candidate: "candidate:1", sdpMid: "0", sdpMLineIndex: 0, usernameFragment: null };
  for (const key of ["ice-candidate", "iceCandidate"]) {
    const frame = parseFrame(JSON.stringify({ type: "ice-candidate", from: "bob", [key]: candidate }));
    assert.deepEqual(frame, { type: "ice-candidate", from: "bob", candidate });
  }
  assert.deepEqual(parseFrame('{"type":"ice-candidate","from":"bob","iceCandidate":null}'), {
    type: "ice-candidate",
    from: "bob",
    candidate: null,
  });
});

test("what is no frame is nothing", () => {
  for (const text of ["", "x", "null", "[]", "1", "{}", '{"type":"offer","from":"bob"}',
    '{"type":"offer","offer":{"sdp":1},"from":"bob"}', '{"type":"answer","answer":{"sdp":""}}', '{"type":"bye","from":7}']) {
    assert.equal(parseFrame(text), undefined, text);
  }
});

test("of the servers that a service offers only those are taken that a browser can use", () => {
  const iceServers = [
    { urls: "stun:one.example" },
    { urls: ["turn:two.example?transport=udp", "http://three.example"], username: "a", credential: "b" },
    { urls: "turn:without.credential" },
    { urls: ["stun:six.example:0", "stun:six.example:65536", "stun:six.example?transport=udp", "stun:", "stun://x", "javascript:alert(1)"] },
    { urls: "turns:[2001:db8::1]:5349", username: "a", credential: "x".repeat(1_025) },
    { urls: 7 },
    null,
  ];
  const reply = parseFrame(JSON.stringify({ type: "login", success: true, iceServers }));
  assert.deepEqual(reply?.type === "login" && reply.iceServers, [
    { urls: ["stun:one.example"] },
    { urls: ["turn:two.example?transport=udp"], username: "a", credential: "b" },
  ]);
  const many = parseFrame(JSON.stringify({ type: "ice-servers", iceServers: Array(1_000).fill({ urls: Array(1_000).fill("stun:one.example:3478") }) }));
  assert.deepEqual(many?.type === "ice-servers" && many.iceServers, Array(8).fill({ urls: Array(8).fill("stun:one.example:3478") }));
});

test("a bye says why, and one that says so in a newer way is understood", () => {
  const bye = (fields: object) => parseFrame(JSON.stringify({ type: "bye", from: "bob", call: "1", ...fields }));
  for (const reason of ["busy", "declined", "left"] as const) {
    assert.deepEqual(bye(byeFrame(reason)), { type: "bye", from: "bob", call: "1", reason });
  }
  assert.deepEqual(byeFrame("lost"), { type: "bye", reason: "left", lost: true });
  assert.deepEqual(bye(byeFrame("lost")), { type: "bye", from: "bob", call: "1", reason: "lost" });
  assert.deepEqual(byeFrame("no-relay"), { type: "bye", reason: "declined", noRelay: true });
  assert.deepEqual(bye(byeFrame("no-relay")), { type: "bye", from: "bob", call: "1", reason: "no-relay" });
  assert.deepEqual(bye({ reason: "tired" }), { type: "bye", from: "bob", call: "1", reason: "left" });
});
