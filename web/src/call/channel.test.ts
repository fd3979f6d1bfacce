import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Correspondence } from "../conversation/correspondence.js";
import { BareChannel, type ChannelListener, FramedChannel } from "./channel.js";
import { decodeFrame, encodeFrame } from "./framing.js";

/** A data channel whose buffer empties when the test says. */
class FakeChannel {
  readyState = "open";
  bufferedAmount = 0;
  sent: unknown[] = [];
  onopen: (() => void) | undefined;
  onmessage: ((event: { data: unknown }) => void) | undefined;
  onbufferedamountlow: (() => void) | undefined;
  send(data: string | Uint8Array) {
    this.sent.push(data);
    this.bufferedAmount += typeof data === "string" ? new TextEncoder().encode(data).length : data.length;
  }
  drain() {
    this.bufferedAmount = 0;
    this.onbufferedamountlow?.();
  }
  close() {}
}

/** Notes what a channel tells. */
function listening() {
  const told: string[] = [];
  const note = (what: string) => (...about: unknown[]) => void told.push([what, ...about.map((one) => JSON.stringify(one))].join(" "));
  const ids = (what: string) => (letters: { id: number }[]) => void told.push([what, ...letters.map(({ id }) => id)].join(" "));
  const listener: ChannelListener = {
    ready: note("ready"),
    received: note("received"),
    read: note("read"),
    typing: note("typing"),
    delivered: ids("delivered"),
    sent: ids("sent"),
    next: note("next"),
    file: note("file"),
    silent: note("silent"),
    alive: note("alive"),
    ended: note("ended"),
  };
  return { told, listener };
}

beforeEach(() => mock.timers.enable({ apis: ["setInterval"] }));
afterEach(() => mock.timers.reset());

test("who is not let in makes nothing count as delivered that waits for somebody else", () => {
  const channel = new FakeChannel();
  const correspondence = new Correspondence("alice's page");
  for (const text of ["one", "two", "three"]) correspondence.post(text);
  const { told, listener } = listening();
  const framed = new FramedChannel(channel as unknown as RTCDataChannel, correspondence, listener, async () => 0);
  const hears = (frame: Parameters<typeof encodeFrame>[0]) => channel.onmessage?.({ data: encodeFrame(frame).buffer });
  hears({ kind: "hello", instance: "bob's page", received: { instance: "alice's page", id: 2 } });
  hears({ kind: "receipt", id: 3 });
  hears({ kind: "read", id: 2 });
  const text = (id: number) => hears({ kind: "text", id, last: true, part: new TextEncoder().encode(`text ${id}`) });
  for (const id of [1, 2, 2, 1]) text(id);
  assert.deepEqual(told, ["ready", 'received "text 1"', 'received "text 2"']);
  assert.equal(correspondence.waiting.length, 3);
  assert.equal(correspondence.received, undefined, "what comes from whoever it is is not remembered as somebody's");

  framed.admit();
  assert.deepEqual(told.splice(0), ["ready", 'received "text 1"', 'received "text 2"', "delivered 1 2", "read 2"]);
  assert.deepEqual(correspondence.received, { instance: "bob's page", id: 2 });
  for (const id of [2, 3]) text(id);
  hears({ kind: "read", id: 0 });
  assert.deepEqual(told, ['received "text 3"']);
  const frames = channel.sent.map((bytes) => decodeFrame(bytes as Uint8Array));
  assert.deepEqual(frames.map((frame) => (frame.kind === "text" ? `text ${frame.id}` : frame.kind)).filter((kind) => kind !== "receipt"), ["hello", "text 3"]);
});

test("a long text for a client without framing goes as there is room for it, each part once", () => {
  const channel = new FakeChannel();
  const correspondence = new Correspondence("alice's page");
  const long = Array.from({ length: 300_000 }, (_, i) => `${i} `).join("");
  correspondence.post(long);
  correspondence.post("short");
  const { told, listener } = listening();
  const bare = new BareChannel(channel as unknown as RTCDataChannel, correspondence, listener);
  bare.admit();
  for (let rounds = 0; correspondence.waiting.length > 0; rounds++) {
    assert.ok(channel.bufferedAmount < 1024 * 1024 + 64 * 1024, `${channel.bufferedAmount} bytes in the buffer`);
    assert.ok(rounds < 10, "it comes to an end");
    channel.drain();
  }
  assert.equal(channel.sent.join(""), `${long}short`);
  assert.deepEqual(told, ["sent 1", "sent 2"]);
});
