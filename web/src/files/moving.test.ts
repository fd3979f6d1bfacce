import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { MovingFile, forgetOldest } from "./moving.js";

class TestFile extends MovingFile {
  readonly direction = "in";
  readonly blob = undefined;
}

/** A file of 1,000,000 bytes, and how often it was reported. */
function testFile(id = 1): { file: TestFile; reports: () => number; pass: (ms: number) => void } {
  let reports = 0;
  let time = 0;
  const file = new TestFile(id, "x", 1_000_000, "", { changed: () => reports++, now: () => time });
  return { file, reports: () => reports, pass: (ms) => ((time += ms), mock.timers.tick(ms)) };
}

beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
afterEach(() => mock.timers.reset());

test("progress that follows a report at once is reported later, in one report", () => {
  const { file, reports, pass } = testFile();
  file.moved(100);
  assert.equal(reports(), 1);
  file.moved(200);
  file.moved(300);
  assert.equal(reports(), 1);
  pass(250);
  assert.equal(reports(), 2);
  assert.equal(file.bytes, 300);
  pass(1_000);
  assert.equal(reports(), 2);
});

test("the speed is that of the last seconds, and is unknown when no bytes move", () => {
  const { file, pass } = testFile();
  for (let i = 1; i <= 20; i++) {
    pass(500);
    file.moved(i * 1_000);
  }
  assert.equal(file.speed, 2_000);
  for (let i = 1; i <= 20; i++) {
    pass(500);
    file.moved(20_000 + i * 10_000);
  }
  assert.equal(file.speed, 20_000);
  file.pause();
  assert.equal(file.speed, undefined);
});

test("a file that ends says why, and reports no progress afterwards", () => {
  const { file, reports, pass } = testFile();
  file.moved(100);
  file.moved(200);
  assert.equal(file.over, false);
  assert.equal(file.ending, undefined);
  file.end({ state: "failed", ending: { by: "own", reason: "damaged" } });
  assert.equal(file.state, "failed");
  assert.equal(file.over, true);
  assert.deepEqual(file.ending, { by: "own", reason: "damaged" });
  assert.equal(reports(), 2);
  pass(1_000);
  assert.equal(reports(), 2);
});

test("of many files the oldest that are over are forgotten, and none that is not", () => {
  const files = new Map(Array.from({ length: 1_003 }, (_, id) => [id, testFile(id).file]));
  for (const id of [1, 5, 7, 9]) files.get(id)!.end({ state: "done" });
  forgetOldest(files);
  assert.equal(files.size, 1_000);
  assert.deepEqual([0, 1, 5, 7, 9].map((id) => files.has(id)), [true, false, false, false, true]);
});
