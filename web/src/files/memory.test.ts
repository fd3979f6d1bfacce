import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryStore } from "./memory.js";

test("a file in memory is what was written, and its room is free again when it is discarded", async () => {
  const store = new MemoryStore();
  const most = await store.limit();
  const sinks = [];
  for (let i = 0; i < 4; i++) sinks.push(await store.create(240_000_000));
  assert.equal(await store.limit(), 40_000_000);
  await assert.rejects(store.create(40_000_001), RangeError);
  const [first, second] = sinks;
  await first!.write(Uint8Array.of(1, 2));
  await first!.write(Uint8Array.of(3));
  assert.deepEqual([...new Uint8Array(await (await first!.finish()).arrayBuffer())], [1, 2, 3]);
  assert.equal(await store.limit(), 40_000_000);
  for (let i = 0; i < 2; i++) await first!.discard();
  assert.equal(await store.limit(), most);
  await second!.discard();
  await second!.write(Uint8Array.of(1)); // Too late.
  assert.equal((await second!.finish()).size, 0);
});
