import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Correspondence } from "../conversation/correspondence.js";
import { FakeChannel, listening } from "./channel.fixture.js";
import { FramedChannel } from "./framed.js";
import { decodeFrame, encodeFrame } from "./framing.js";

beforeEach(() => mock.timers.enable({ apis: ["setInterval"] }));
afterEach(() => mock.timers.reset());

test("who is not let in makes nothing count as delivered that waits for somebody else", () => {
  const channel = new FakeChannel();
  const correspondence = new Correspondence("alice's page");
  for (const text of ["one", "two", "three"]) correspondence.post(text);
  const { told, listener } = listening();
  const framed = new FramedChannel(channel.real, correspondence, listener, async () => 0);
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
  assert.deepEqual(frames.map((frame) => ("id" in frame ? `${frame.kind} ${frame.id}` : frame.kind)), [
    ...["hello", "hello", "receipt 2", "text 3", "receipt 2", "receipt 3"],
  ]);
});

test("who is not let in learns nothing of what this page has, and gets no receipt", () => {
  const channel = new FakeChannel();
  const correspondence = new Correspondence("alice's page");
  correspondence.take("bob's page", 7);
  correspondence.post("for bob");
  const framed = new FramedChannel(channel.real, correspondence, listening().listener, async () => 0);
  const hears = (frame: Parameters<typeof encodeFrame>[0]) => channel.onmessage?.({ data: encodeFrame(frame).buffer });
  const sent = () => channel.sent.splice(0).map((bytes) => decodeFrame(bytes as Uint8Array));
  hears({ kind: "hello", instance: "bob's page", received: undefined, more: true });
  hears({ kind: "text", id: 8, last: true, part: new TextEncoder().encode("it is me") });
  hears({ kind: "ping" });
  framed.flush();
  framed.sendTyping(true);
  framed.sendRead();
  assert.deepEqual(sent(), [{ kind: "hello", instance: "alice's page", received: undefined, more: true }, { kind: "pong" }]);

  framed.admit();
  assert.deepEqual(sent(), [
    { kind: "hello", instance: "alice's page", received: { instance: "bob's page", id: 7 } },
    { kind: "receipt", id: 8 },
  ]);
  hears({ kind: "hello", instance: "bob's page", received: { instance: "alice's page", id: 0 } });
  assert.deepEqual(sent().map(({ kind }) => kind), ["text"], "texts wait until the other page has said which it has");
  framed.admit();
  assert.deepEqual(sent(), []);
});
