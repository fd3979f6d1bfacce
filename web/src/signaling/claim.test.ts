import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { freshId } from "./ids.js";
import { Claim } from "./claim.js";

// Web Locks are tried in a browser (keeping_test.go). Here the pages ask each other.
const had = Object.getOwnPropertyDescriptor(globalThis, "navigator");
Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
const claims: Claim[] = [];
const page = () => claims[claims.push(new Claim()) - 1]!;

afterEach(() => {
  for (const claim of claims.splice(0)) claim.release();
  if (had !== undefined) Object.defineProperty(globalThis, "navigator", had);
});

test("a name belongs to the page that was there first, until it gives the name up", async () => {
  const [name, first, copy] = [freshId(), page(), page()];
  assert.equal(await first.take(name), true);
  assert.equal(await first.take(name), true);
  assert.deepEqual(await Promise.all([copy.take(name), page().take(freshId())]), [false, true]);
  assert.equal(await page().take(name), false, "whoever was refused holds nothing");
  first.release();
  assert.equal(await copy.take(name), true);

  const others = [freshId(), page(), page(), page()] as const;
  const taken = await Promise.all(others.slice(1).map((claim) => (claim as Claim).take(others[0])));
  assert.equal(taken.filter(Boolean).length, 1, "of several that ask in the same instant one gets it");
});
