import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { closeAfter, connect, statsOf } from "./connection.js";

const original = globalThis.RTCPeerConnection;

beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
afterEach(() => {
  mock.timers.reset();
  Object.assign(globalThis, { RTCPeerConnection: original });
});

test("a connection is made without ICE servers that the browser refuses, and any other error stands", () => {
  class Refusing {
    constructor(readonly configuration: RTCConfiguration) {
      if (configuration.iceTransportPolicy === "relay") throw new TypeError("not supported");
      if ((configuration.iceServers ?? []).length > 0) throw new DOMException("cannot be parsed", "SyntaxError");
    }
  }
  Object.assign(globalThis, { RTCPeerConnection: Refusing });
  const made = connect({ iceServers: [{ urls: "stun:nonsense" }], bundlePolicy: "balanced" }) as unknown as Refusing;
  assert.deepEqual(made.configuration, { iceServers: [], bundlePolicy: "balanced" });
  assert.throws(() => connect({ iceTransportPolicy: "relay" }), TypeError);
});

test("a connection closes with its channel, or after a second", async () => {
  for (const closes of [true, false]) {
    let closed = 0;
    const connection = { close: () => void closed++ } as unknown as RTCPeerConnection;
    let channelCloses = () => {};
    const closing = closeAfter(new Promise((resolve) => (channelCloses = resolve)), connection);
    mock.timers.tick(999);
    assert.equal(closed, 0);
    if (closes) {
      channelCloses();
      await closing;
    } else mock.timers.tick(1);
    assert.equal(closed, 1);
  }
});

test("a closed connection may tell nothing, and whatever else it cannot tell is an error", async () => {
  const connection = { signalingState: "stable", getStats: async () => new Map([["T1", { id: "T1", type: "transport" }]]) };
  const asked = async () => [...(await statsOf(connection as unknown as RTCPeerConnection)).values()];
  assert.deepEqual(await asked(), [{ id: "T1", type: "transport" }]);
  // It closes while the question is asked.
  connection.getStats = async () => {
    throw new DOMException("Peer connection is closed", "InvalidStateError");
  };
  await assert.rejects(asked, { name: "InvalidStateError" });
  connection.signalingState = "closed";
  assert.deepEqual(await asked(), []);
});
