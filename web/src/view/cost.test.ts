import assert from "node:assert/strict";
import { test } from "node:test";
import { layoutCost } from "./cost.js";

test("what costs a browser more counts for more", () => {
  const cost = (unit: string) => layoutCost(unit.repeat(1_000)) / (1_000 * unit.length);
  const latin = cost("Some ordinary words of a letter. ");
  assert.equal(latin, 1);
  for (const [unit, least] of [
    ["😀", 2],
    ["a\u0301", 2],
    ["漢字仮名", 1.5],
    ["ภาษาไทยไม่มีช่องว่าง", 10],
    ["ភាសាខ្មែរ", 10],
    ["\n", 10],
    ["aא", 10],
    ["א1", 10],
    ["aяα漢", 5],
    ["\u202aa\u202c", 5],
    ["https://a.example/ ", 5],
  ] as const) {
    assert.ok(cost(unit) >= least, `${unit}: ${cost(unit)}`);
  }
  // Spaces between words of one script begin no run.
  assert.ok(cost("שלום עולם ") < 3);
});

test("it counts no further than it is asked", () => {
  assert.equal(layoutCost("x".repeat(10_000_000), 10), 11);
  assert.equal(layoutCost("", 10), 0);
});
