import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import encodeQR from "../../vendor/qr/qr.js";

test("the part of qr that the page carries makes the codes that the whole library makes", () => {
  // What qr makes of each text at level "medium": the width in modules, and the beginning of the SHA-256 of the rows.
  const codes = [
    ["0123456789".repeat(6), 25, "3dbd4e5d7d21a30e"],
    ["HTTPS://P2P.EXAMPLE/", 21, "eed134f05f2c523b"],
    ["https://p2p.example/#connect=Zo%C3%AB", 29, "0f3a300214885c87"],
    ["héhé".repeat(40), 61, "e9c4c1b50e98419d"],
    ["x".repeat(2_331), 177, "b79a2ade5122c29e"],
  ] as const;
  for (const [text, width, hash] of codes) {
    const rows = encodeQR(text);
    assert.equal(rows.length, width);
    const bits = rows.map((row) => row.map(Number).join("")).join("\n");
    assert.equal(createHash("sha256").update(bits).digest("hex").slice(0, 16), hash);
  }
  assert.throws(() => encodeQR("x".repeat(2_332)), /overflow/u);
});
