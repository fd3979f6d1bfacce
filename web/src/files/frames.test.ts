import assert from "node:assert/strict";
import { test } from "node:test";
import { type FileMessage, FrameError, MAX_NAME_LENGTH, decodeFileMessage, encodeFileMessage } from "./frames.js";

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
