import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_INSTANCE } from "../conversation/correspondence.js";
import { FrameError } from "../files/frames.js";
import { CHUNK_BYTES, MAX_TEXT_BYTES, MAX_CHUNKS, TextAssembler, decodeFrame, encodeFrame, textChunks } from "./framing.js";

/** A small generator with a seed (mulberry32), so that a failure can be repeated. */
function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function assemble(chunks: Iterable<Uint8Array>): string | undefined {
  const assembler = new TextAssembler();
  let text: string | undefined;
  for (const chunk of chunks) {
    assert.equal(text, undefined, "no chunk follows the last one");
    const frame = decodeFrame(chunk);
    assert.equal(frame.kind, "text");
    if (frame.kind === "text") text = assembler.add(frame);
  }
  return text;
}

test("every frame is read as it was written", () => {
  for (const frame of [
    { kind: "hello", instance: "a", received: undefined },
    { kind: "hello", instance: "a", received: { instance: "b", id: 7 } },
    { kind: "text", id: 0xffffffff, last: true, part: Uint8Array.of(1, 2, 3) },
    { kind: "text", id: 1, last: false, part: Uint8Array.of() },
    { kind: "receipt", id: 5 },
    { kind: "read", id: 5 },
    { kind: "typing", typing: true },
    { kind: "typing", typing: false },
    { kind: "next", fingerprint: Array(32).fill("A0").join(":") },
    { kind: "goodbye" },
    { kind: "ping" },
    { kind: "pong" },
    { kind: "file", body: Uint8Array.of(123, 125) },
  ] as const) {
    assert.deepEqual(decodeFrame(encodeFrame(frame)), frame);
  }
});

test("texts of any length and content come together again", () => {
  const next = random(1);
  const alphabet = ["a", " ", "\n", "\0", "é", "漢", "👩🏽‍🚀", "\ufeff", "<b>"];
  for (const length of [0, 1, 2, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 200_000]) {
    let text = "";
    while (text.length < length) text += alphabet[Math.floor(next() * alphabet.length)]!;
    assert.equal(assemble(textChunks(9, new TextEncoder().encode(text))), text);
  }
});

test("no frame is larger than every browser takes", () => {
  for (const chunk of textChunks(1, new Uint8Array(1_000_000))) assert.ok(chunk.length <= 16 * 1024);
});

test("whatever comes is a frame or a FrameError", () => {
  const next = random(2);
  for (let i = 0; i < 50_000; i++) {
    const bytes = Uint8Array.from({ length: Math.floor(next() * 40) }, () => Math.floor(next() * 256));
    if (bytes.length > 0) bytes[0] = Math.floor(next() * 9);
    try {
      decodeFrame(bytes);
    } catch (error) {
      assert.ok(error instanceof FrameError, `${bytes}: ${error}`);
    }
  }
});

test("frames of later versions are unknown, not wrong", () => {
  assert.deepEqual(decodeFrame(Uint8Array.of(200, 1, 2)), { kind: "unknown" });
});

test("what cannot be a text is refused", () => {
  const part = (bytes: number) => new Uint8Array(bytes);
  assert.throws(() => {
    const assembler = new TextAssembler();
    assembler.add({ id: 1, last: false, part: part(1) });
    assembler.add({ id: 2, last: true, part: part(1) });
  }, FrameError);
  assert.throws(() => new TextAssembler().add({ id: 1, last: false, part: part(0) }), FrameError);
  assert.throws(() => new TextAssembler().add({ id: 1, last: true, part: Uint8Array.of(0xff) }), FrameError);
  assert.throws(() => {
    const assembler = new TextAssembler();
    for (let bytes = 0; bytes <= MAX_TEXT_BYTES; bytes += 1 << 20) {
      assembler.add({ id: 1, last: false, part: part(1 << 20) });
    }
  }, FrameError);
  assert.throws(() => {
    const assembler = new TextAssembler();
    for (let chunks = 0; chunks <= MAX_CHUNKS; chunks++) assembler.add({ id: 1, last: false, part: part(1) });
  }, FrameError);
});

test("the name of a page has an end", () => {
  const hello = (instance: string) => encodeFrame({ kind: "hello", instance, received: undefined });
  assert.equal(decodeFrame(hello("x".repeat(MAX_INSTANCE))).kind, "hello");
  assert.throws(() => decodeFrame(hello("x".repeat(MAX_INSTANCE + 1))), FrameError);
});
