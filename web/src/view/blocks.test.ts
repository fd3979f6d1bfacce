import assert from "node:assert/strict";
import { test } from "node:test";
import { blocks } from "./blocks.js";
import { pieces } from "./links.js";

test("a long text is in blocks that end where a line does, if one does", () => {
  const line = "A line of a letter, with https://a.example/ in it.\n";
  for (const text of ["short", line.repeat(5_000), `${line.repeat(70)}${"x".repeat(30_000)}\n\nend`, "word ".repeat(10_000), "https://a.example ".repeat(5_000), "\n".repeat(20_000)]) {
    const found = [...blocks(text)].map((block) => block.map((piece) => piece.text).join(""));
    assert.equal(found.join(""), text);
    for (const block of found) assert.ok(block.length > 0 && block.length <= 8_000, `${block.length}`);
    assert.equal(found.length === 1, text.length <= 8_000);
  }
  for (const block of blocks(line.repeat(5_000))) assert.ok(block.at(-1)!.text.endsWith("\n"));
});

test("links are the same as in the whole text, wherever it is cut", () => {
  const link = `https://a.example/${"x".repeat(900)}`;
  for (const text of [`${link} `.repeat(500), `${link}\n`.repeat(500), `漢字${link}，`.repeat(500), `<${link}>`.repeat(500), `${"y".repeat(127_000)} ${link}${"z".repeat(300_000)}`]) {
    const hrefs = [...blocks(text)].flat().flatMap(({ href }) => href ?? []);
    assert.deepEqual(hrefs, pieces(text).flatMap(({ href }) => href ?? []));
  }
});

test("only as much of a text is read as is taken", () => {
  const huge = "https://a.example/ 😀 ".repeat(1_000_000);
  let taken = 0;
  for (const block of blocks(huge)) {
    assert.ok(block.length > 0);
    if (++taken === 3) break;
  }
  assert.equal(taken, 3);
});
