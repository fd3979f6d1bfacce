import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { PART_BYTES } from "./directory.js";
import { DiskStore } from "./disk.js";
import { openStore } from "./stores.js";

/** A directory in memory. While a file is being written, it cannot be removed. */
class FakeDirectory {
  readonly entries = new Map<string, FakeDirectory | FakeFile>();
  constructor(readonly name: string) {}
  async getDirectoryHandle(name: string, { create = false } = {}): Promise<FakeDirectory> {
    return this.#get(name, create, () => new FakeDirectory(name)) as FakeDirectory;
  }
  async getFileHandle(name: string, { create = false } = {}): Promise<FakeFile> {
    return this.#get(name, create, () => new FakeFile()) as FakeFile;
  }
  #get(name: string, create: boolean, make: () => FakeDirectory | FakeFile) {
    let found = this.entries.get(name);
    if (found === undefined && create) this.entries.set(name, (found = make()));
    if (found === undefined) throw new DOMException(name, "NotFoundError");
    return found;
  }
  async removeEntry(name: string): Promise<void> {
    const found = this.entries.get(name);
    if (found === undefined) throw new DOMException(name, "NotFoundError");
    if (found.writing) throw new DOMException(name, "NoModificationAllowedError");
    this.entries.delete(name);
  }
  async *keys() {
    yield* [...this.entries.keys()];
  }
  get writing(): boolean {
    return [...this.entries.values()].some(({ writing }) => writing);
  }
}

class FakeFile {
  writing = false;
  bytes: Uint8Array[] = [];
  async getFile(): Promise<Blob> {
    return new Blob(this.bytes as Uint8Array<ArrayBuffer>[]);
  }
  async createWritable() {
    await disk.opens;
    this.writing = true;
    const written: Uint8Array[] = [];
    return {
      write: async (bytes: Uint8Array | string) => void written.push(typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes),
      close: async () => {
        this.bytes = written;
        this.writing = false;
      },
      abort: async () => void (this.writing = false),
    };
  }
}

/** The browser's file system. */
let disk: { root: FakeDirectory; opens: Promise<void>; quota: number };

beforeEach(() => {
  disk = { root: new FakeDirectory(""), opens: Promise.resolve(), quota: 1_000_000_000 };
  Object.assign(globalThis, { FileSystemFileHandle: FakeFile });
  Object.defineProperty(globalThis, "navigator", {
    configurable: true,
    value: {
      storage: { estimate: async () => ({ quota: disk.quota, usage: 0 }), getDirectory: async () => disk.root },
      locks: { request: async (_name: string, held: () => unknown) => void held(), query: async () => ({ held: [], pending: [] }) },
    },
  });
});

async function files(): Promise<string[]> {
  const page = await (await disk.root.getDirectoryHandle("received", { create: true })).getDirectoryHandle("page", { create: true });
  return [...page.entries.keys()];
}

test("a file that is cancelled while it is being written leaves nothing behind", async () => {
  const store = (await DiskStore.open("page"))!;
  for (const before of [0, 1, 2]) {
    const sink = await store.create(10 * PART_BYTES, "key");
    // So much is there already; then a part is being opened, or the file written down.
    for (let i = 0; i < before; i++) await sink.write(new Uint8Array(PART_BYTES));
    let open = () => {};
    disk.opens = new Promise((resolve) => (open = resolve));
    const writing = sink.write(new Uint8Array(10));
    const next = sink.write(new Uint8Array(10));
    await new Promise((resolve) => setImmediate(resolve));
    let gone = false;
    const discarded = Promise.all([sink.discard(), sink.discard()]).then(() => (gone = true));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(gone, false, "what is under way is waited for");
    open();
    await Promise.all([writing, next, discarded]);
    await sink.write(new Uint8Array(10)); // Too late.
    assert.deepEqual(await files(), [], `behind ${before} parts`);
  }
  assert.equal(await store.limit(), disk.quota - 64_000_000, "all room that was promised is free again");
});

test("the same room is not promised twice, and what is written is not counted twice", async () => {
  disk.quota = 64_000_000 + 100;
  const store = (await DiskStore.open("page"))!;
  const made = await Promise.allSettled([store.create(60, "a"), store.create(60, "b"), store.create(40, "c")]);
  assert.deepEqual(made.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
  assert.equal(await store.limit(), 0);
  const [first] = made;
  assert.ok(first?.status === "fulfilled");
  await first.value.write(new Uint8Array(60));
  disk.quota -= 60; // As the browser counts it.
  assert.equal(await store.limit(), 0);
  assert.equal((await first.value.finish()).size, 60);
  disk.quota += 60;
  assert.equal(await store.limit(), 60);
});

test("while the person wants nothing to be stored, files go to memory, which says how much it takes, and only what an earlier page began goes on on disk", async () => {
  disk.quota = 1_000 * PART_BYTES;
  const earlier = (await DiskStore.open("earlier"))!;
  const begun = await earlier.create(2 * PART_BYTES, "begun");
  for (let i = 0; i < 2; i++) await begun.write(new Uint8Array(PART_BYTES));
  let may = false;
  const store = await openStore("page", () => may);
  assert.equal(await store.limit(), 256_000_000);
  const sink = await store.create(10, "key");
  await sink.write(new Uint8Array(10));
  assert.deepEqual(await files(), []);
  assert.equal((await sink.finish()).size, 10);
  assert.deepEqual(await files(), []);
  assert.equal((await store.adopt!(2 * PART_BYTES, "begun"))?.parts.length, 1);

  may = true;
  assert.ok((await store.limit()) > 256_000_000);
  await store.create(10, "key");
  assert.deepEqual(await files(), ["1"]);
});
