import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFrame } from "./signaling.js";

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
    { urls: 7 },
    null,
  ];
  const reply = parseFrame(JSON.stringify({ type: "login", success: true, iceServers }));
  assert.deepEqual(reply?.type === "login" && reply.iceServers, [
    { urls: ["stun:one.example"] },
    { urls: ["turn:two.example?transport=udp"], username: "a", credential: "b" },
  ]);
});
