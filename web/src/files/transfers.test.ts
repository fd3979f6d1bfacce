import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../signaling/hex.js";
import { sha256 } from "../../vendor/noble-hashes/sha2.js";
import { Page, connect, content, sha256Of, turns } from "./pages.fixture.js";
import type { Transfer } from "./transfer.js";

for (const size of [0, 1, 16380, 16381, 1024 * 1024, 5_000_001]) {
  test(`a file of ${size} bytes arrives as it was`, async () => {
    const a = new Page("a");
    const b = new Page("b");
    const [end] = connect(a, b);
    const bytes = content(size);
    const own = a.transfers.offer(new Blob([bytes], { type: "text/plain" }), "notes.txt");
    await b.until(() => b.seen.length === 1);
    const theirs = b.seen[0]!;
    assert.deepEqual([theirs.name, theirs.size, theirs.type, theirs.state], ["notes.txt", size, "text/plain", "offered"]);
    await turns();
    assert.equal(end.chunks, 0, "bytes went out before they were asked for");
    b.transfers.accept(theirs);
    await a.until(() => own.state === "done");
    assert.equal(theirs.state, "done");
    assert.equal(own.bytes, size);
    assert.equal(await sha256Of(theirs.blob!), hex(sha256(bytes)));
    assert.equal(theirs.blob!.type, "application/octet-stream");
    assert.equal(end.broken, undefined);
    assert.equal(end.other.broken, undefined);
  });
}

test("a file that was declined is not sent", async () => {
  const a = new Page("a");
  const b = new Page("b");
  const [end] = connect(a, b);
  const own = a.transfers.offer(new Blob([content(100)]), "x");
  await b.until(() => b.seen.length === 1);
  b.transfers.decline(b.seen[0]!);
  await a.until(() => own.state === "declined");
  assert.deepEqual(own.ending, { by: "peer", reason: "person" });
  assert.equal(b.seen[0]!.state, "declined");
  assert.equal(end.chunks, 0);
});

for (const side of ["sender", "receiver"] as const) {
  test(`the ${side} cancels a file under way, and the next one goes`, async () => {
    const a = new Page("a");
    const b = new Page("b");
    const [end] = connect(a, b);
    const own = a.transfers.offer(new Blob([content(8_000_000)]), "first");
    const next = a.transfers.offer(new Blob([content(1_000)]), "second");
    await b.until(() => b.seen.length === 2);
    const [theirs, after] = b.seen as [Transfer, Transfer];
    end.before = (chunk) => {
      if (chunk === 100) (side === "sender" ? a : b).transfers.cancel(side === "sender" ? own : theirs);
    };
    b.transfers.accept(theirs);
    b.transfers.accept(after);
    await a.until(() => own.state === "cancelled" && next.state === "done");
    await b.until(() => theirs.state === "cancelled");
    assert.equal(own.ending?.by, side === "sender" ? "own" : "peer");
    assert.equal(theirs.ending?.by, side === "sender" ? "peer" : "own");
    assert.equal(end.broken, undefined);
    assert.equal(end.other.broken, undefined);
  });
}

test("a file goes on where it was when the connection broke", async () => {
  const a = new Page("a");
  const b = new Page("b");
  let [end] = connect(a, b);
  const bytes = content(4_000_000);
  const own = a.transfers.offer(new Blob([bytes]), "x");
  await b.until(() => b.seen.length === 1);
  const theirs = b.seen[0]!;
  b.transfers.accept(theirs);
  let chunks = 0;
  for (const breakAt of [100, 3, 90]) {
    end.before = (chunk) => {
      if (chunk === breakAt) end.cut();
    };
    await a.until(() => own.state === "paused");
    assert.equal(theirs.state, "paused");
    chunks += end.chunks - 1; // The one at which the line was cut has not arrived.
    [end] = connect(a, b);
  }
  await a.until(() => own.state === "done");
  chunks += end.chunks;
  assert.equal(await sha256Of(theirs.blob!), hex(sha256(bytes)));
  assert.equal(b.seen.length, 1);
  // Each connection has one chunk that is not full at most, and the end; had it begun anew there would be far more.
  assert.ok(chunks < 4_000_000 / 16380 + 10, `${chunks} chunks arrived`);
});

test("a break after the last byte, before its check, loses nothing", async () => {
  for (const lost of ["done", "received"] as const) {
    const a = new Page("a");
    const b = new Page("b");
    const [end] = connect(a, b);
    const cutting = lost === "done" ? end : end.other;
    const control = cutting.control.bind(cutting);
    cutting.control = (message) => (message.file === lost ? end.cut() : control(message));
    const own = a.transfers.offer(new Blob([content(50_000)]), "x");
    await b.until(() => b.seen.length === 1);
    b.transfers.accept(b.seen[0]!);
    await a.until(() => own.state === "paused");
    connect(a, b);
    await a.until(() => own.state === "done");
    assert.equal(await sha256Of(b.seen[0]!.blob!), hex(sha256(content(50_000))));
  }
});

test("what was decided while nobody was connected is told afterwards", async () => {
  const a = new Page("a");
  const b = new Page("b");
  let [end] = connect(a, b);
  const names = ["declined", "accepted", "cancelled", "withdrawn"];
  const own = names.map((name) => a.transfers.offer(new Blob([content(2_000_000)]), name)) as [Transfer, Transfer, Transfer, Transfer];
  await b.until(() => b.seen.length === 4);
  const theirs = b.seen as [Transfer, Transfer, Transfer, Transfer];
  b.transfers.accept(theirs[2]);
  b.transfers.accept(theirs[3]);
  end.before = () => end.cut();
  await a.until(() => own[2].state === "paused");
  b.transfers.decline(theirs[0]);
  b.transfers.accept(theirs[1]);
  b.transfers.cancel(theirs[2]);
  a.transfers.cancel(own[3]);
  [end] = connect(a, b);
  await a.until(() => own[0].state === "declined" && own[1].state === "done" && own[2].state === "cancelled");
  await b.until(() => theirs[3].state === "cancelled");
  assert.deepEqual(
    [own, theirs].map((side) => side.map(({ state }) => state)),
    [
      ["declined", "done", "cancelled", "cancelled"],
      ["declined", "done", "cancelled", "cancelled"],
    ],
  );
  assert.equal(b.seen.length, 4);
});

test("when a page was loaded afresh, what it sent half is over, and what it should get is offered again", async () => {
  const a = new Page("a");
  const b = new Page("b");
  const [end] = connect(a, b);
  const own = a.transfers.offer(new Blob([content(2_000_000)]), "x");
  await b.until(() => b.seen.length === 1);
  end.before = (chunk) => {
    if (chunk === 50) end.cut();
  };
  b.transfers.accept(b.seen[0]!);
  await a.until(() => own.state === "paused");

  connect(new Page("a, loaded again"), b);
  assert.equal(b.seen[0]!.state, "failed");
  assert.deepEqual(b.seen[0]!.ending, { by: "peer", reason: "gone" });

  const again = new Page("b, loaded again");
  connect(a, again);
  await again.until(() => again.seen.length === 1);
  assert.equal(own.state, "offered");
  again.transfers.accept(again.seen[0]!);
  await a.until(() => own.state === "done");
  assert.equal(await sha256Of(again.seen[0]!.blob!), hex(sha256(content(2_000_000))));
});

test("progress is told a few times a second, and with its speed", async () => {
  let time = 0;
  const a = new Page("a", undefined, () => time);
  const b = new Page("b", undefined, () => time);
  const [end] = connect(a, b);
  const own = a.transfers.offer(new Blob([content(20 * 1024 * 1024)]), "x");
  await b.until(() => b.seen.length === 1);
  end.before = () => (time += 1);
  const before = a.news;
  let fastest = 0;
  const watching = a.until(() => {
    fastest = Math.max(fastest, own.speed ?? 0);
    return own.state === "done";
  });
  b.transfers.accept(b.seen[0]!);
  await watching;
  assert.ok(a.news - before < time / 250 + 10, `${a.news - before} times within ${time} ms`);
  assert.ok(fastest > 10e6 && fastest < 25e6, `a speed of ${fastest}`);
  assert.equal(own.speed, undefined);
});

test("closing gives up what is not finished, and forgets what has come", async () => {
  let discarded = 0;
  const sink = { write: async () => {}, finish: async () => new Blob(), discard: async () => void discarded++ };
  const a = new Page("a");
  const b = new Page("b", { limit: async () => 1e9, create: async () => sink });
  connect(a, b);
  const done = a.transfers.offer(new Blob([content(100)]), "x");
  await b.until(() => b.seen.length === 1);
  b.transfers.accept(b.seen[0]!);
  await a.until(() => done.state === "done");
  const own = a.transfers.offer(new Blob([content(100)]), "y");
  await b.until(() => b.seen.length === 2);
  assert.equal(discarded, 0);
  b.transfers.close();
  assert.equal(b.seen[1]!.state, "cancelled");
  assert.equal(discarded, 1);
  a.transfers.close();
  assert.equal(own.state, "cancelled");
});
