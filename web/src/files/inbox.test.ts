import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../signaling/hex.js";
import { BLOCK_BYTES, FrameError, MAX_OFFERS, encodeChunk } from "./frames.js";
import { sha256 } from "../../vendor/noble-hashes/sha2.js";
import { MemoryStore } from "./memory.js";
import { type End, Page, connect, content, hostile, sha256Of, turns } from "./pages.fixture.js";
import type { Sink, Store } from "./sinks.js";

test("a page that was loaded afresh goes on with what its disk kept, unasked, and takes nothing of others for it", async () => {
  const bytes = content(3 * BLOCK_BYTES + 5);
  const kept = 2 * BLOCK_BYTES;
  const memory = new MemoryStore();
  const asked: string[] = [];
  const disk: Store = {
    limit: () => memory.limit(),
    create: (size) => memory.create(size),
    adopt: async (size, key) => {
      asked.push(`${size} ${key}`);
      if (key !== "a 1") return undefined;
      const sink = await memory.create(size);
      for (let start = 0; start < kept; start += BLOCK_BYTES) await sink.write(bytes.slice(start, start + BLOCK_BYTES));
      return { parts: [new Blob([bytes.slice(0, kept)])], sink };
    },
  };
  const a = new Page("a");
  const own = a.transfers.offer(new Blob([bytes]), "x");
  const b = new Page("b");
  const [first] = connect(a, b);
  await b.until(() => b.seen.length === 1);
  b.transfers.accept(b.seen[0]!);
  first.before = (chunk) => {
    if (chunk === 150) first.cut();
  };
  await a.until(() => own.state === "paused");

  const again = new Page("b, loaded again", disk);
  const [end] = connect(a, again);
  await a.until(() => own.state === "done");
  assert.equal(await sha256Of(again.seen[0]!.blob!), hex(sha256(bytes)));
  assert.ok(end.chunks < 70, `${end.chunks} chunks came`);
  const other = a.transfers.offer(new Blob([bytes]), "y");
  await again.until(() => again.seen.length === 2);
  await turns();
  assert.equal(other.state, "offered");
  assert.deepEqual(asked, [`${bytes.length} a 1`, `${bytes.length} a 2`]);
});

for (const when of ["before the first byte", "in the middle", "at the end"] as const) {
  test(`a disk that is full ${when} ends the file on both sides`, async () => {
    let discarded = 0;
    let writes = 0;
    const full = () => Promise.reject(new DOMException("full", "QuotaExceededError"));
    const sink: Sink = {
      write: () => (when === "in the middle" && ++writes === 2 ? full() : Promise.resolve()),
      finish: full,
      discard: async () => void discarded++,
    };
    const a = new Page("a");
    const b = new Page("b", { limit: async () => 1e9, create: when === "before the first byte" ? full : async () => sink });
    connect(a, b);
    const own = a.transfers.offer(new Blob([content(5_000_000)]), "x");
    await b.until(() => b.seen.length === 1);
    b.transfers.accept(b.seen[0]!);
    await a.until(() => own.state === "failed");
    assert.deepEqual(own.ending, { by: "peer", reason: "full" });
    assert.deepEqual(b.seen[0]!.ending, { by: "own", reason: "full" });
    assert.equal(discarded, when === "before the first byte" ? 0 : 1);
  });
}

test("an offer that is too large is refused at once, with the reason", async () => {
  const { page, mine, theirs } = await hostile();
  assert.equal(page.transfers.ownLimit, 256_000_000);
  theirs.control({ file: "offer", id: 1, name: "x", size: 10e9, type: "" });
  await page.until(() => page.seen.length === 1);
  assert.equal(page.seen[0]!.state, "declined");
  assert.deepEqual(page.seen[0]!.ending, { by: "own", reason: "limit", limit: 256_000_000 });
  assert.deepEqual(mine.controls.at(-1), { file: "decline", id: 1, reason: "limit" });
  page.transfers.accept(page.seen[0]!);
  await turns();
  assert.equal(page.seen[0]!.state, "declined");
});

test("the other side is told when there is other room than before, and only then", async () => {
  let room = 1e9;
  const { page, mine } = await hostile({ limit: async () => room, create: () => assert.fail() });
  const told = () => mine.controls.flatMap((message) => (message.file === "limit" ? message.bytes : []));
  page.transfers.roomChanged();
  await turns();
  assert.deepEqual(told(), [1e9]);
  room = 5;
  page.transfers.roomChanged();
  await turns();
  assert.deepEqual(told(), [1e9, 5]);
  assert.equal(page.transfers.ownLimit, 5);
  mine.cut();
  page.transfers.roomChanged();
});

test("thousands of offers are refused but for a few", async () => {
  const { page, mine, theirs } = await hostile();
  for (let id = 1; id <= 5_000; id++) {
    theirs.control({ file: "offer", id, name: "x", size: id % 2 === 0 ? 1 : 10e9, type: "" });
  }
  await turns();
  assert.equal(page.seen.length, 2 * MAX_OFFERS);
  assert.equal(page.seen.filter(({ state }) => state === "offered").length, MAX_OFFERS);
  assert.equal(mine.controls.filter((message) => message.file === "decline").length, 5_000 - MAX_OFFERS);
});

test("offers that are withdrawn in a flood are refused but for a few, and the next connection begins anew", async () => {
  const { page, mine, theirs } = await hostile();
  for (let id = 1; id <= 5_000; id++) {
    theirs.control({ file: "offer", id, name: "x", size: 1, type: "" });
    theirs.control({ file: "withdraw", id, reason: "person" });
  }
  await turns();
  assert.equal(page.seen.length, 256);
  assert.deepEqual(mine.controls.at(-1), { file: "decline", id: 5_000, reason: "many" });
  assert.equal(mine.broken, undefined);
  mine.cut();
  const [, again] = connect(page, new Page("hostile"));
  again.control({ file: "offer", id: 5_001, name: "x", size: 1, type: "" });
  await turns();
  assert.equal(page.seen.at(-1)!.state, "offered");
});

for (const [what, send] of Object.entries<(end: End) => void>({
  "bytes before acceptance": (end) => end.send(encodeChunk(1, content(10))),
  "bytes of an unknown file": (end) => end.send(encodeChunk(2, content(10))),
  "a message of no file": (end) => end.send(new Uint8Array(3)),
  "another file of the same id": (end) => end.control({ file: "offer", id: 1, name: "x", size: 11, type: "" }),
  "acceptance of what was never offered": (end) => end.control({ file: "accept", id: 7, offset: 0 }),
  "receipt of what was never offered": (end) => end.control({ file: "received", id: 7 }),
  "cancelling what was never offered": (end) => end.control({ file: "cancel", id: 7, reason: "person" }),
  "progress of what was never offered": (end) => end.control({ file: "progress", id: 7, offset: 1 }),
})) {
  test(`${what} ends the connection`, async () => {
    const { page, mine, theirs } = await hostile();
    theirs.control({ file: "offer", id: 1, name: "x", size: 10, type: "" });
    await page.until(() => page.seen.length === 1);
    send(theirs);
    await turns();
    assert.ok(mine.broken instanceof FrameError, "it was taken");
    assert.equal(page.seen[0]!.blob, undefined);
  });
}

test("done, withdrawn and declined files that nobody offered mean nothing", async () => {
  const { page, mine, theirs } = await hostile();
  theirs.control({ file: "done", id: 7, sha256: "0".repeat(64) });
  theirs.control({ file: "withdraw", id: 7, reason: "person" });
  await turns();
  assert.equal(mine.broken, undefined);
  assert.equal(page.seen.length, 0);
});

for (const [what, send, sha] of [
  ["more bytes than announced", [6, 5], hex(sha256(content(11)))],
  ["fewer bytes than announced", [6, 3], hex(sha256(content(9)))],
  ["other bytes than the SHA-256 says", [10], "0".repeat(64)],
] as const) {
  test(`${what} end the file`, async () => {
    let discarded = 0;
    const memory = new MemoryStore();
    const { page, mine, theirs } = await hostile({
      limit: () => memory.limit(),
      create: async (size) => {
        const sink = await memory.create(size);
        return { ...sink, discard: async () => void discarded++ };
      },
    });
    theirs.control({ file: "offer", id: 1, name: "x", size: 10, type: "" });
    await page.until(() => page.seen.length === 1);
    page.transfers.accept(page.seen[0]!);
    await page.until(() => mine.controls.at(-1)?.file === "accept" || mine.controls.at(-1)?.file === "limit");
    let at = 0;
    for (const length of send) theirs.send(encodeChunk(1, content(11).subarray(at, (at += length)) as Uint8Array<ArrayBuffer>));
    theirs.send(encodeChunk(1, new Uint8Array(0)));
    theirs.control({ file: "done", id: 1, sha256: sha });
    await page.until(() => page.seen[0]!.state === "failed");
    assert.deepEqual(page.seen[0]!.ending, { by: "own", reason: "damaged" });
    assert.ok(mine.controls.some((message) => message.file === "cancel" && message.reason === "damaged"));
    assert.equal(discarded, 1);
    // What comes after that is late, and no fault.
    theirs.send(encodeChunk(1, content(5)));
    await turns();
    assert.equal(mine.broken, undefined);
    assert.equal(page.seen[0]!.blob, undefined);
  });
}

test("a block that cannot be hashed ends the file on both sides", async (t) => {
  const [a, b] = [new Page("a"), new Page("b")];
  connect(a, b);
  const own = a.transfers.offer(new Blob([content(BLOCK_BYTES + 5)]), "x");
  await b.until(() => b.seen.length === 1);
  const digest = crypto.subtle.digest.bind(crypto.subtle);
  let blocks = 0;
  // Both sides hash the first block. The receiver cannot.
  t.mock.method(crypto.subtle, "digest", (name: string, bytes: Uint8Array<ArrayBuffer>) =>
    bytes.length === BLOCK_BYTES && ++blocks === 2 ? Promise.reject(new DOMException("no memory", "OperationError")) : digest(name, bytes),
  );
  b.transfers.accept(b.seen[0]!);
  await a.until(() => own.state === "failed");
  assert.deepEqual(b.seen[0]!.ending, { by: "own", reason: "full" });
});

test("a sender that does not wait for the disk is cut off before it fills the memory", async () => {
  const { page, mine, theirs } = await hostile({
    limit: async () => 1e9,
    create: async () => ({ write: () => new Promise(() => {}), finish: () => assert.fail(), discard: async () => {} }),
  });
  theirs.control({ file: "offer", id: 1, name: "x", size: 1e9, type: "" });
  await page.until(() => page.seen.length === 1);
  page.transfers.accept(page.seen[0]!);
  await turns();
  let taken = 0;
  for (; page.seen[0]!.state !== "failed" && taken < 1e9; taken += 65_536) {
    mine.onmessage?.({ data: encodeChunk(1, new Uint8Array(65_536)).buffer } as MessageEvent);
  }
  assert.ok(taken < 40 * 1024 * 1024, `${taken} bytes were taken`);
});

test("half a file, then goodbye: it waits, and can be given up", async () => {
  let discarded = false;
  const { page, mine, theirs } = await hostile({
    limit: async () => 1e9,
    create: async () => ({ write: async () => {}, finish: () => assert.fail(), discard: async () => void (discarded = true) }),
  });
  theirs.control({ file: "offer", id: 1, name: "x", size: 10, type: "" });
  await page.until(() => page.seen.length === 1);
  page.transfers.accept(page.seen[0]!);
  await turns();
  theirs.send(encodeChunk(1, content(5)));
  await page.until(() => page.seen[0]!.state === "receiving");
  mine.cut();
  assert.equal(page.seen[0]!.state, "paused");
  page.transfers.cancel(page.seen[0]!);
  assert.equal(page.seen[0]!.state, "cancelled");
  assert.ok(discarded);
});
