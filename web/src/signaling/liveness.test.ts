import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Liveness } from "./liveness.js";

let clock = 0;

beforeEach(() => {
  clock = 0;
  mock.timers.enable({ apis: ["setTimeout"] });
  mock.method(performance, "now", () => clock);
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

/** Lets time pass. */
function pass(ms: number): void {
  for (const end = clock + ms; clock < end; ) {
    clock += 250;
    mock.timers.tick(250);
  }
}

function watched() {
  const told: string[] = [];
  const liveness = new Liveness({ ping: () => told.push("ping"), byItself: () => true, answered: () => told.push("answered"), dead: () => told.push("dead") });
  return { liveness, told };
}

test("a page that was asleep while it waited for an answer asks again, because the answer may wait unread", () => {
  const { liveness, told } = watched();
  liveness.ask();
  pass(1_000);
  clock += 45_000;
  mock.timers.tick(2_000);
  assert.deepEqual(told, ["ping", "ping"]);
  pass(3_000);
  assert.deepEqual(told, ["ping", "ping", "dead"]);
});

test("what is expected shortens the wait once, and a sign of life lengthens it", () => {
  const { liveness, told } = watched();
  pass(5_000);
  liveness.expect();
  pass(1_750);
  liveness.expect();
  pass(250);
  assert.deepEqual(told, ["ping"]);
  liveness.heard();
  assert.deepEqual(told, ["ping"], "nobody had a doubt");
  pass(19_750);
  liveness.expect();
  pass(250);
  assert.deepEqual(told, ["ping", "ping"]);
  liveness.ask();
  assert.equal(liveness.doubted, true);
  liveness.heard();
  assert.deepEqual([told, liveness.doubted], [["ping", "ping", "answered"], false]);
  liveness.stop();
  pass(60_000);
  assert.equal(told.length, 3);
});
