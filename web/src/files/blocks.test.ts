import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockWriter } from "./blocks.js";
import { BLOCK_BYTES } from "./frames.js";
import { checksum, digest } from "./hash.js";
import { content } from "./pages.fixture.js";
import type { Sink } from "./sinks.js";

const size = 2 * BLOCK_BYTES + 100;
const bytes = content(size);
const whole = () => checksum([0, 1, 2].map((block) => digest(bytes.slice(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES))));

/** A sink that notes how long each block was, and fails at block `fails`. */
function writer(fails = -1) {
  const written: number[] = [];
  const heard: (number | "full")[] = [];
  const sink: Sink = {
    write: async (block) => {
      if (written.length === fails) throw new DOMException("full", "QuotaExceededError");
      written.push(block.length);
    },
    finish: async () => new Blob(),
    discard: async () => void written.push(-1),
  };
  const blocks = new BlockWriter(size, sink, { wrote: (length) => heard.push(length), full: () => heard.push("full") });
  return { blocks, written, heard };
}

test("bytes in messages of any length are written and hashed in blocks", async () => {
  for (const length of [999, 16_380, BLOCK_BYTES + 1, size]) {
    const { blocks, written, heard } = writer();
    for (let start = 0; start < size; start += length) blocks.add(bytes.slice(start, start + length));
    assert.equal(blocks.received, size);
    assert.equal(await blocks.checksum(), await whole(), `messages of ${length}`);
    assert.deepEqual(written, [BLOCK_BYTES, BLOCK_BYTES, 100]);
    assert.deepEqual(heard, written);
  }
});

test("blocks that the sink has already count, and are not written again", async () => {
  const { blocks, written } = writer();
  await blocks.resume(new Blob([bytes.slice(0, BLOCK_BYTES)]));
  await blocks.resume(new Blob([bytes.slice(BLOCK_BYTES, 2 * BLOCK_BYTES)]));
  assert.equal(blocks.received, 2 * BLOCK_BYTES);
  blocks.add(bytes.slice(2 * BLOCK_BYTES));
  assert.equal(await blocks.checksum(), await whole());
  assert.deepEqual(written, [100]);
});

test("a picture is told by its first bytes, however they come", async () => {
  const png = Uint8Array.from("\x89PNG\r\n\x1a\n followed by something that is long enough", (c) => c.charCodeAt(0));
  const { blocks } = writer();
  assert.equal(blocks.picture, undefined);
  for (const byte of png) blocks.add(Uint8Array.of(byte));
  assert.equal(blocks.picture, "image/png");
});

test("a sink without room is told once the writer gets there, a discarded file is told nothing", async () => {
  const full = writer(1);
  full.blocks.add(bytes);
  await full.blocks.checksum();
  assert.deepEqual(full.heard.slice(0, 2), [BLOCK_BYTES, "full"]);

  const discarded = writer();
  discarded.blocks.add(bytes);
  await discarded.blocks.discard();
  await discarded.blocks.checksum();
  assert.deepEqual(discarded.written, [-1]);
  assert.deepEqual(discarded.heard, []);
});
