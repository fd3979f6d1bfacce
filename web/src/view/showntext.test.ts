import assert from "node:assert/strict";
import { test } from "node:test";
import { MOST_AT_ONCE, ShownText } from "./showntext.js";

const textOf = ({ blocks }: ShownText) => blocks.flat().map(({ text }) => text).join("");

test("a text of a megabyte is shown whole", () => {
  const text = "Line 1000 of a long letter, with Grüße, 漢字, an 👩🏽‍🚀 and <b>no markup</b>.\n".repeat(12_500);
  const shown = new ShownText(text);
  assert.ok(shown.whole && !shown.hasMore);
  assert.equal(textOf(shown), text);
  assert.equal(shown.length, text.length);
});

test("of a text that costs the browser much the beginning is shown, and then more and more of it", () => {
  for (const [name, text] of [
    ["emoji", "😀😁".repeat(2_000_000)],
    ["marks", `a${"\u0301".repeat(1_000_000)}`],
    ["line breaks", "\n".repeat(1_000_000)],
    ["one line", "x".repeat(5_000_000)],
    ["links", "https://a.example/b ".repeat(100_000)],
    ["directions", "aא".repeat(500_000)],
    ["embeddings", "\u202ba\u202aא".repeat(200_000)],
    ["Thai", "ภาษาไทย".repeat(50_000)],
    ["scripts", "aяα漢".repeat(200_000)],
  ] as const) {
    const shown = new ShownText(text);
    assert.ok(!shown.whole && shown.hasMore, name);
    assert.ok(shown.length > 0 && shown.cost <= MOST_AT_ONCE / 5, `${name}: ${shown.cost}`);
    assert.ok(text.startsWith(textOf(shown)), name);
    let clicks = 0;
    for (let before = 0; shown.hasMore; clicks++) {
      before = shown.length;
      shown.showMore();
      assert.ok(shown.length > before, name);
    }
    assert.ok(clicks < 9, `${name}: ${clicks} clicks`);
    assert.equal(textOf(shown), text, name);
    assert.ok(shown.whole, name);
  }
});

test("what no browser can show is shown as far as it goes", () => {
  const shown = new ShownText("\n".repeat(3_000_000));
  while (shown.hasMore) shown.showMore();
  assert.ok(!shown.whole);
  // Chromium's pages end after 2^25 pixels. A line has 24 of them.
  assert.ok(shown.length < 2 ** 25 / 24);
});
