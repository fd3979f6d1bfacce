import assert from "node:assert/strict";
import { test } from "node:test";
import type { JoinResult } from "../signaling/listener.js";
import { Joining, type JoinSteps } from "./joining.js";

const joined: JoinResult = { joined: true };

/** The steps of a Join. Each ends when the test says so. */
function steps() {
  const begun: string[] = [];
  const end: (() => Promise<void>)[] = [];
  const step = <T>(name: string, result: T) => () => {
    begun.push(name);
    return new Promise<T>((resolve) =>
      end.push(async () => {
        resolve(result);
        await new Promise((turned) => setImmediate(turned));
      }),
    );
  };
  const all: JoinSteps = { prove: step("prove", undefined), load: step("load", undefined), ask: step("ask", joined) };
  return { all, begun, next: () => end.pop()!() };
}

test("the service is asked when the device has been read, the identity first", async () => {
  const join = new Joining();
  const { all, begun, next } = steps();
  const result = join.begin(all);
  const seen = [[...begun, join.on, join.waitsForDevice]];
  for (let i = 0; i < 3; i++) {
    await next();
    seen.push([...begun, join.on, join.waitsForDevice]);
  }
  assert.deepEqual(seen, [
    ["prove", true, true],
    ["prove", "load", true, false],
    ["prove", "load", "ask", true, false],
    ["prove", "load", "ask", false, false],
  ]);
  assert.equal(await result, joined);
});

test("a Join that is given up goes no step further, and the next one is not mixed up with it", async () => {
  for (let done = 0; done < 3; done++) {
    const join = new Joining();
    const first = steps();
    const result = join.begin(first.all);
    for (let i = 0; i < done; i++) await first.next();
    join.cancel();
    assert.deepEqual([join.on, join.waitsForDevice], [false, false]);
    const second = steps();
    const next = join.begin(second.all);
    const begun = [...first.begun];
    await first.next();
    assert.deepEqual([await result, first.begun, join.on, join.waitsForDevice], [undefined, begun, true, true]);
    for (let i = 0; i < 3; i++) await second.next();
    assert.equal(await next, joined);
  }
});
