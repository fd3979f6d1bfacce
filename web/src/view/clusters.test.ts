import assert from "node:assert/strict";
import { test } from "node:test";
import { blocks } from "./blocks.js";
import { cutAt } from "./clusters.js";

test("a text is cut between what is read as characters", () => {
  for (const [text, end, cut] of [
    ["abc", 2, 2],
    ["abc", 9, 3],
    ["ae\u0301b", 2, 1],
    ["a\r\nb", 2, 1],
    ["a👩🏽‍🚀b", 4, 1],
    ["🇫🇷🇩🇪", 6, 4],
    ["🇫🇷🇩🇪", 2, 2],
    // The cluster began in front of the place where it may be cut: between characters, then.
    ["👩🏽‍🚀", 1, 1],
    ["👩🏽‍🚀", 3, 2],
    [`a${"\u0301".repeat(10)}`, 5, 5],
  ] as const) {
    assert.equal(cutAt(text, 0, end), cut, `${text} ${end}`);
  }
});

test("long texts are cut inside no character, whatever they are made of", () => {
  const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });
  for (const unit of ["👩🏽‍🚀", "🇫🇷", "e\u0301\u0323", "नमस्ते", "각", "a \u0301", "\r\n"]) {
    const text = `x${unit.repeat(20_000)}`;
    const inUnit = [...segmenter.segment(unit)].map(({ index }) => index);
    let at = 0;
    for (const piece of [...blocks(text)].flat()) {
      assert.ok(at === 0 || inUnit.includes((at - 1) % unit.length), `${unit}: a cut at ${at}`);
      at += piece.text.length;
    }
    assert.equal(at, text.length);
  }
});
