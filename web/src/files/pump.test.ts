import assert from "node:assert/strict";
import { test } from "node:test";
import { FILE_CHUNK_BYTES, WINDOW } from "./frames.js";
import { Outgoing } from "./outgoing.js";
import { content, turns } from "./pages.fixture.js";
import { Pump } from "./pump.js";
import { FileSession } from "./session.js";

/** A pump that has one accepted file to send, and what it has sent. */
function pumping(size: number, bufferedAmount = 0) {
  const sent: number[] = [];
  const said: string[] = [];
  const bulk = {
    readyState: "open",
    bufferedAmount,
    bufferedAmountLowThreshold: 0,
    binaryType: "arraybuffer" as BinaryType,
    onopen: null,
    onclose: null,
    onbufferedamountlow: null,
    onmessage: null,
    send: (data: Uint8Array) => {
      if (bulk.readyState !== "open") throw new Error("closed");
      sent.push(data.length - 4);
    },
  };
  const state = { session: undefined as FileSession | undefined };
  state.session = new FileSession({ instance: "bob", bulk, control: ({ file }) => said.push(file), garbled: () => assert.fail() });
  const file = new Outgoing(1, "x", new Blob([content(size)]), { changed: () => {}, now: () => 0 });
  file.enter("accepted");
  const pump = new Pump({
    session: () => state.session,
    next: () => (file.state === "accepted" ? file : undefined),
    unreadable: () => said.push("unreadable"),
    broken: () => said.push("broken"),
  });
  return { pump, file, bulk, state, sent, said };
}

test("the pump sends a file from where the receiver wants it, then its end, then its checksum", async () => {
  const { pump, file, sent, said } = pumping(2 * FILE_CHUNK_BYTES + 5);
  file.bytes = FILE_CHUNK_BYTES;
  await pump.run();
  assert.deepEqual(sent, [FILE_CHUNK_BYTES, 5, 0]);
  assert.deepEqual(said, ["done"]);
  assert.equal(file.state, "verifying");
  assert.equal(file.sent, file.size);
});

test("the pump waits for the send buffer, and sends nothing of a file that has ended meanwhile", async () => {
  const { pump, file, bulk, sent } = pumping(100, 4 * 1024 * 1024);
  const run = pump.run();
  await turns();
  assert.deepEqual(sent, []);
  bulk.bufferedAmount = 0;
  pump.wake();
  await run;
  assert.deepEqual(sent, [100, 0]);

  const ended = pumping(100, 4 * 1024 * 1024);
  const other = ended.pump.run();
  await turns();
  ended.bulk.bufferedAmount = 0;
  ended.file.end({ state: "cancelled", ending: { by: "own", reason: "person" } });
  ended.pump.wake();
  await other;
  assert.deepEqual(ended.sent, []);
  assert.equal(file.state, "verifying");
});

test("the pump is never further ahead of the receiver than the window", async () => {
  const { pump, file, sent } = pumping(WINDOW + 3 * FILE_CHUNK_BYTES);
  const run = pump.run();
  const inWindow = Math.ceil(WINDOW / FILE_CHUNK_BYTES);
  while (sent.length < inWindow) await turns(1);
  await turns();
  assert.equal(sent.length, inWindow);
  file.moved(FILE_CHUNK_BYTES);
  pump.wake();
  while (sent.length === inWindow) await turns(1);
  await turns();
  assert.equal(sent.length, inWindow + 1);
  file.moved(file.size);
  pump.wake();
  await run;
  assert.equal(sent.reduce((sum, length) => sum + length), file.size);
});

test("the pump stops when the link is gone or broken", async () => {
  const gone = pumping(100, 4 * 1024 * 1024);
  const run = gone.pump.run();
  await turns();
  gone.state.session = undefined;
  gone.pump.wake();
  await run;
  assert.deepEqual([gone.sent, gone.said], [[], []]);

  const broken = pumping(100);
  broken.bulk.send = () => {
    throw new Error("closed");
  };
  await broken.pump.run();
  assert.deepEqual(broken.said, ["broken"]);
});

test("a file whose blocks cannot be hashed ends, and the next ones go out", async () => {
  const { pump, file, said } = pumping(5);
  file.digests.push(Promise.reject(new DOMException("no memory", "OperationError")));
  await pump.run();
  assert.deepEqual(said, ["unreadable"]);
  file.digests.length = 0;
  file.enter("accepted");
  await pump.run();
  assert.deepEqual(said, ["unreadable", "done"]);
});
