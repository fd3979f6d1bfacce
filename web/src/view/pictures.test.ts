import assert from "node:assert/strict";
import { test } from "node:test";
import { firstShown } from "./pictures.js";

const shown = (width: number, height: number, { bytes = width * height * 4, size = 1 } = {}) => firstShown({ size } as Blob, { width, height, bytes });

test("a picture is shown by what it takes when it is decoded, not by the size of its file", () => {
  assert.equal(shown(1, 1).kind, "picture");
  assert.equal(shown(2_560, 1_440).kind, "picture");
  assert.equal(shown(4_000, 3_000).kind, "place");
  assert.equal(shown(8_160, 6_120).kind, "place", "a photo of a telephone");
  assert.equal(shown(20_000, 20_000).kind, "large");
  assert.equal(shown(1_000_000, 1_000).kind, "large");
  assert.equal(shown(8_160, 6_120, { bytes: 500_000_000 }).kind, "large");
  assert.equal(shown(100, 100, { size: 33_000_000 }).kind, "large");
  assert.equal(firstShown({ size: 1 } as Blob, undefined).kind, "nothing");
});

test("the copy of a large picture keeps its shape and has a pixel at least", () => {
  for (const [width, height, want] of [
    [8_000, 4_000, [1_280, 640]],
    [4_000, 8_000, [640, 1_280]],
    [10_000_000, 3, [1_280, 1]],
  ] as const) {
    const place = shown(width, height);
    assert.ok(place.kind === "place");
    assert.deepEqual([place.width, place.height], want);
  }
});
