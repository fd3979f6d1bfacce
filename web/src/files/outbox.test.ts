import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameError, MAX_OFFERS } from "./frames.js";
import { Page, connect, content, hostile, turns } from "./pages.fixture.js";
import type { Store } from "./sinks.js";

test("nothing is put into a buffer that is full, and the sender never runs far ahead of the disk", async () => {
  let write = (): void => {};
  const held = new Promise<void>((resolve) => (write = resolve));
  let most = 0;
  const slow: Store = {
    limit: async () => 1e9,
    create: async () => ({ write: () => held, finish: async () => new Blob(), discard: async () => {} }),
  };
  const a = new Page("a");
  const b = new Page("b", slow);
  const [end] = connect(a, b);
  const own = a.transfers.offer(new Blob([content(40 * 1024 * 1024)]), "large");
  await b.until(() => b.seen.length === 1);
  b.transfers.accept(b.seen[0]!);
  await a.until(() => own.state === "sending");
  for (let last = -1; last !== end.chunks; most = end.chunks) {
    last = end.chunks;
    await turns(200);
  }
  assert.ok(most * 16380 <= 16 * 1024 * 1024 + 16380, `${most} chunks went out while none was written`);
  assert.ok(most * 16380 > 15 * 1024 * 1024, `only ${most} chunks went out`);
  write();
  await a.until(() => own.state === "done");
  assert.ok(end.highest <= 4 * 1024 * 1024 + 16384, `${end.highest} bytes were in the buffer at once`);
  assert.equal(own.bytes, own.size);
});

test("a file that cannot be read any more fails on both sides", async () => {
  const a = new Page("a");
  const b = new Page("b");
  connect(a, b);
  const blob = new Blob([content(1_000)]);
  blob.slice = () => ({ arrayBuffer: () => Promise.reject(new DOMException("gone", "NotReadableError")) }) as unknown as Blob;
  const own = a.transfers.offer(blob, "x");
  await b.until(() => b.seen.length === 1);
  b.transfers.accept(b.seen[0]!);
  await b.until(() => b.seen[0]!.state === "failed");
  assert.deepEqual(own.ending, { by: "own", reason: "unreadable" });
  assert.deepEqual(b.seen[0]!.ending, { by: "peer", reason: "unreadable" });
});

test("the sender's page knows the limit and does not offer what is larger", async () => {
  const a = new Page("a");
  const b = new Page("b", { limit: async () => 999, create: () => assert.fail() });
  const [end] = connect(a, b);
  const own = a.transfers.offer(new Blob([content(1_000)]), "x");
  await a.until(() => own.state === "declined");
  assert.deepEqual(own.ending, { by: "peer", reason: "limit", limit: 999 });
  assert.equal(a.transfers.peerLimit, 999);
  assert.ok(end.controls.every(({ file }) => file === "limit"));
});

test("own offers wait for their turn, so that none of many is refused", async () => {
  const a = new Page("a");
  const b = new Page("b");
  connect(a, b);
  const own = Array.from({ length: 3 * MAX_OFFERS }, (_, i) => a.transfers.offer(new Blob([content(i)]), `${i}`));
  await b.until(() => b.seen.length === MAX_OFFERS);
  await turns();
  assert.equal(b.seen.length, MAX_OFFERS);
  for (let i = 0; i < own.length; i++) {
    await b.until(() => b.seen.length > i);
    if (i % 3 === 0) b.transfers.decline(b.seen[i]!);
    else b.transfers.accept(b.seen[i]!);
  }
  await a.until(() => own.every(({ state }, i) => state === (i % 3 === 0 ? "declined" : "done")));
});

test("a receiver that claims more than it can have ends the connection", async () => {
  for (const message of [
    { file: "accept", id: 1, offset: 1 },
    { file: "progress", id: 1, offset: 5 },
    { file: "received", id: 1 },
  ] as const) {
    const { page, mine, theirs } = await hostile();
    const own = page.transfers.offer(new Blob([content(10)]), "x");
    theirs.control(message);
    await turns();
    assert.ok(mine.broken instanceof FrameError, message.file);
    assert.equal(own.state, "offered");
  }
});
