import assert from "node:assert/strict";
import { test } from "node:test";
import { Correspondence } from "../conversation/correspondence.js";
import { CHUNK_BYTES, decodeFrame } from "./framing.js";
import { LetterChunks } from "./letters.js";

test("each letter goes once, in chunks that follow each other, and only what was sent is confirmed", () => {
  const correspondence = new Correspondence("alice's page");
  const letters = new LetterChunks(correspondence);
  assert.equal(letters.next(), undefined);
  correspondence.post("a".repeat(CHUNK_BYTES + 1));
  correspondence.post("short");
  const next = () => {
    const chunk = letters.next();
    const frame = chunk === undefined ? undefined : decodeFrame(chunk);
    return frame?.kind === "text" ? [frame.id, frame.last, frame.part.length] : undefined;
  };
  assert.deepEqual([next(), next()], [[1, false, CHUNK_BYTES], [1, true, 1]]);
  assert.deepEqual(letters.confirm(2).map(({ id }) => id), [1], "the second was not sent yet");
  assert.deepEqual([next(), next()], [[2, true, 5], undefined]);
  correspondence.post("later");
  assert.deepEqual(next(), [3, true, 5]);
  assert.deepEqual(letters.confirm(3).map(({ id }) => id), [2, 3]);
});
