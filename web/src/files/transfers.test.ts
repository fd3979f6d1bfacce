import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../signaling/hex.js";
import { BLOCK_BYTES, type FileMessage, MAX_NAME_LENGTH, decodeFileMessage, encodeChunk, encodeFileMessage } from "./frames.js";
import { FrameError } from "./frames.js";
import { sha256 } from "./hash.js";
import { MemoryStore, type Sink, type Store } from "./sinks.js";
import { type BulkChannel, type FileLink, MAX_OFFERS, type Transfer, Transfers } from "./transfers.js";

/** One end of a pair of channels in memory that deliver in order, each message in a turn of its own. */
class End implements BulkChannel, FileLink {
  readyState = "open";
  bufferedAmount = 0;
  highest = 0;
  bufferedAmountLowThreshold = 0;
  binaryType: BinaryType = "blob";
  onopen = null;
  onclose = null;
  onbufferedamountlow: ((event: Event) => unknown) | null = null;
  onmessage: ((event: MessageEvent) => unknown) | null = null;
  other!: End;
  broken: unknown;
  controls: FileMessage[] = [];
  chunks = 0;
  /** Called before each chunk is delivered; it may cut the line. */
  before: (chunk: number) => void = () => {};
  constructor(
    readonly instance: string,
    readonly transfers: Transfers,
  ) {}
  get bulk(): BulkChannel {
    return this;
  }
  send(data: Uint8Array<ArrayBuffer>): void {
    if (this.readyState !== "open") throw new Error("closed");
    this.bufferedAmount += data.length;
    this.highest = Math.max(this.highest, this.bufferedAmount);
    setImmediate(() => {
      if (this.readyState !== "open") return;
      this.before(this.chunks++);
      if (this.readyState !== "open") return;
      this.bufferedAmount -= data.length;
      this.other.onmessage?.({ data: data.slice().buffer } as MessageEvent);
      if (this.bufferedAmount <= this.bufferedAmountLowThreshold) this.onbufferedamountlow?.({} as Event);
    });
  }
  control(message: FileMessage): void {
    this.controls.push(message);
    const body = encodeFileMessage(message);
    setImmediate(() => {
      if (this.readyState === "open") this.other.take(body);
    });
  }
  take(body: Uint8Array): void {
    try {
      const message = decodeFileMessage(body);
      if (message !== undefined) this.transfers.receive(message);
    } catch (error) {
      this.broken = error;
    }
  }
  garbled(): void {
    this.broken = new FrameError("garbled");
  }
  cut(): void {
    for (const end of [this, this.other]) {
      end.readyState = "closed";
      end.transfers.detach(end);
    }
  }
}

/** A page's files, and what it is told of them. */
class Page {
  readonly seen: Transfer[] = [];
  #wake: (() => void)[] = [];
  readonly transfers: Transfers;
  news = 0;
  constructor(
    readonly instance: string,
    store: Store = new MemoryStore(),
    now: () => number = () => 0,
  ) {
    const changed = () => {
      this.news++;
      for (const wake of this.#wake.splice(0)) wake();
    };
    this.transfers = new Transfers(
      store,
      {
        offered: (transfer) => {
          this.seen.push(transfer);
          changed();
        },
        changed,
        limitChanged: () => {},
      },
      now,
    );
  }
  /** Waits, from one piece of news to the next. */
  async until(condition: () => unknown): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }
}

function connect(a: Page, b: Page): [End, End] {
  const ends: [End, End] = [new End(b.instance, a.transfers), new End(a.instance, b.transfers)];
  [ends[0].other, ends[1].other] = [ends[1], ends[0]];
  a.transfers.attach(ends[0]);
  b.transfers.attach(ends[1]);
  return ends;
}

async function turns(count = 50): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

function content(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let i = 0, x = 1; i < size; i++) bytes[i] = x = (x * 75 + 74) % 65537;
  return bytes;
}

async function digest(blob: Blob): Promise<string> {
  return hex(sha256(new Uint8Array(await blob.arrayBuffer())));
}

/** A hostile page: it says whatever a test wants. */
async function hostile(store?: Store): Promise<{ page: Page; mine: End; theirs: End }> {
  const page = new Page("honest", store);
  const other = new Page("hostile");
  const [mine, theirs] = connect(page, other);
  await turns();
  other.transfers.detach(theirs);
  return { page, mine, theirs };
}

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
    assert.equal(await digest(theirs.blob!), hex(sha256(bytes)));
    assert.equal(theirs.blob!.type, "application/octet-stream");
    assert.equal(end.broken, undefined);
    assert.equal(end.other.broken, undefined);
  });
}

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
  assert.equal(await digest(theirs.blob!), hex(sha256(bytes)));
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
    assert.equal(await digest(b.seen[0]!.blob!), hex(sha256(content(50_000))));
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
  assert.equal(await digest(again.seen[0]!.blob!), hex(sha256(content(2_000_000))));
});

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
  assert.equal(await digest(again.seen[0]!.blob!), hex(sha256(bytes)));
  assert.ok(end.chunks < 70, `${end.chunks} chunks came`);
  const other = a.transfers.offer(new Blob([bytes]), "y");
  await again.until(() => again.seen.length === 2);
  await turns();
  assert.equal(other.state, "offered");
  assert.deepEqual(asked, [`${bytes.length} a 1`, `${bytes.length} a 2`]);
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

test("every control frame is read as it was written", () => {
  const messages: FileMessage[] = [
    { file: "limit", bytes: 0 },
    { file: "offer", id: 1, name: "<b>.txt", size: 10e9, type: "text/plain" },
    { file: "offer", id: 0xffff_ffff, name: "", size: 0, type: "" },
    { file: "accept", id: 2, offset: 16 },
    { file: "decline", id: 2, reason: "many" },
    { file: "progress", id: 2, offset: 5 },
    { file: "done", id: 2, sha256: "ab".repeat(32) },
    { file: "received", id: 2 },
    { file: "cancel", id: 2, reason: "damaged" },
    { file: "withdraw", id: 2, reason: "unreadable" },
  ];
  for (const message of messages) assert.deepEqual(decodeFileMessage(encodeFileMessage(message)), message);
  assert.ok(encodeFileMessage({ file: "offer", id: 1, name: "€".repeat(MAX_NAME_LENGTH), size: 1, type: "" }).length < 8192);
});

test("control frames that cannot be meant are refused, those of later versions passed over", () => {
  const read = (json: string) => decodeFileMessage(new TextEncoder().encode(json));
  for (const size of ["-1", "null", "1e300", "1.5", '"1"', "9007199254740992", "NaN"]) {
    assert.throws(() => read(`{"file":"offer","id":1,"name":"x","type":"","size":${size}}`), FrameError, size);
    assert.throws(() => read(`{"file":"accept","id":1,"offset":${size}}`), FrameError, size);
  }
  for (const id of ["0", "-1", "4294967296", "null", "[]"]) {
    assert.throws(() => read(`{"file":"received","id":${id}}`), FrameError, id);
  }
  for (const json of [
    "",
    "null",
    "7",
    "{",
    '{"file":"offer","id":1,"size":1,"type":""}',
    '{"file":"offer","id":1,"size":1,"name":"x"}',
    `{"file":"offer","id":1,"size":1,"type":"","name":"${"x".repeat(MAX_NAME_LENGTH + 1)}"}`,
    '{"file":"done","id":1,"sha256":"AB"}',
    `{"file":"limit","bytes":1,"more":"${"x".repeat(10_000)}"}`,
  ]) {
    assert.throws(() => read(json), FrameError, json);
  }
  assert.equal(read('{"file":"preview","id":1}'), undefined);
  assert.equal(read("{}"), undefined);
  assert.deepEqual(read('{"file":"cancel","id":1,"reason":"later"}'), { file: "cancel", id: 1, reason: "person" });
});
