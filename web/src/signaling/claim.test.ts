import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Claim } from "./claim.js";

/** A BroadcastChannel of which the test's pages are the only users. Messages arrive at once. */
class FakeChannel {
  static all = new Set<FakeChannel>();
  onmessage: ((event: { data: unknown }) => void) | undefined;
  constructor(readonly name: string) {
    FakeChannel.all.add(this);
  }
  postMessage(data: unknown): void {
    for (const other of FakeChannel.all) if (other !== this && other.name === this.name) other.onmessage?.({ data });
  }
  close(): void {
    FakeChannel.all.delete(this);
  }
}

// Web Locks are tried in a browser (keeping_test.go). Here the pages ask each other.
const had = { navigator: Object.getOwnPropertyDescriptor(globalThis, "navigator"), BroadcastChannel: globalThis.BroadcastChannel };

beforeEach(() => {
  FakeChannel.all.clear();
  mock.timers.enable({ apis: ["setTimeout"] });
  Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
  Object.assign(globalThis, { BroadcastChannel: FakeChannel });
});

afterEach(() => {
  mock.timers.reset();
  Object.defineProperty(globalThis, "navigator", had.navigator ?? { value: undefined, configurable: true });
  Object.assign(globalThis, { BroadcastChannel: had.BroadcastChannel });
});

/** Pages claim names in the same instant. Resolves with whether each gets it. */
function take(...claims: [Claim, string][]): Promise<boolean[]> {
  const taken = Promise.all(claims.map(([page, name]) => page.take(name)));
  mock.timers.tick(300);
  return taken;
}

test("a name belongs to the page that was there first, until it gives the name up", async () => {
  const [first, copy] = [new Claim(), new Claim()];
  assert.deepEqual(await take([first, "a"]), [true]);
  assert.deepEqual(await take([first, "a"], [copy, "a"], [new Claim(), "b"]), [true, false, true]);
  assert.deepEqual(await take([new Claim(), "a"]), [false]);
  first.release();
  assert.deepEqual(await take([copy, "a"]), [true], "whoever was refused held nothing");
  assert.deepEqual(await take([copy, "c"]), [true]);
  assert.deepEqual(await take([first, "a"]), [true], "a page holds one name at a time");
});

test("of several pages that ask in the same instant one gets the name", async () => {
  for (let i = 0; i < 20; i++) {
    const taken = await take([new Claim(), `${i}`], [new Claim(), `${i}`], [new Claim(), `${i}`]);
    assert.equal(taken.filter(Boolean).length, 1);
  }
});
