import assert from "node:assert/strict";
import { test } from "node:test";
import { bareParts } from "../call/bare.js";
import { pieces } from "./links.js";

test("links are found, and nothing of the text is lost", () => {
  for (const [text, hrefs] of [
    ["no link", []],
    ["http://a.example", ["http://a.example"]],
    ["(see https://a.example/x_(y)).", ["https://a.example/x_(y)"]],
    ["https://a.example/?q=1&r=2, and HTTP://b.example!", ["https://a.example/?q=1&r=2", "HTTP://b.example"]],
    ["javascript:alert(1) data:text/html,x ftp://a.example http://", []],
    ["https://[", []],
    ["<a href=https://a.example>", ["https://a.example"]],
  ] as const) {
    const found = pieces(text);
    assert.equal(found.map((piece) => piece.text).join(""), text);
    assert.deepEqual(found.flatMap(({ href }) => href ?? []), hrefs);
  }
});

test("long texts come in short pieces, cut inside no character", () => {
  for (const text of ["x".repeat(10_000), "😀".repeat(5_000), "a word ".repeat(2_000)]) {
    for (const parts of [pieces(text).map((piece) => piece.text), [...bareParts(text)]]) {
      assert.equal(parts.join(""), text);
      for (const part of parts) assert.doesNotThrow(() => encodeURIComponent(part), "a surrogate stands alone");
    }
    for (const piece of pieces(text)) assert.ok(piece.text.length <= 1_000);
  }
});

test("the parts for a client without framing are as long as every browser takes, and not longer", () => {
  const bytes = [...bareParts("漢".repeat(100_000))].map((part) => new TextEncoder().encode(part).length);
  assert.deepEqual(bytes, [65_535, 65_535, 65_535, 65_535, 37_860]);
});

test("a bracket belongs to a link as far as it was opened in it, however many there are", () => {
  const links = (text: string) => pieces(text).flatMap(({ href }) => href ?? []);
  for (const [text, link] of [
    ["(see http://a.example/b_(c)).", "http://a.example/b_(c)"],
    ["http://a.example/(((x))))]", "http://a.example/(((x)))"],
    ["http://a.example/[1](2)]).,)", "http://a.example/[1](2)"],
    [`http://a.example/${")".repeat(2_000)}`, "http://a.example/"],
    [`http://a.example/${"(".repeat(900)}${")".repeat(1_000)}`, `http://a.example/${"(".repeat(900)}${")".repeat(900)}`],
  ] as const) {
    assert.deepEqual(links(text), [link]);
  }
  // What took minutes when each bracket was counted anew.
  assert.equal(links(`http://a${")".repeat(2_040)} `.repeat(4_000)).length, 4_000);
});
