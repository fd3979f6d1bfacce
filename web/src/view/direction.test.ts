import assert from "node:assert/strict";
import { test } from "node:test";
import { direction } from "./direction.js";

test("a text's direction is its first letter's", () => {
  for (const [text, want] of [
    ["", "ltr"],
    ["hello", "ltr"],
    ["1, 2: שלום hello", "rtl"],
    ["مرحبا", "rtl"],
    ["👋 hello שלום", "ltr"],
    ["漢字", "ltr"],
    ["𞤀", "rtl"],
  ] as const) {
    assert.equal(direction(text), want, text);
  }
});
