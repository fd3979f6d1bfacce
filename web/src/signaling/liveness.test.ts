import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { fakeClock } from "./clock.fixture.js";
import { Liveness } from "./liveness.js";

const clock = fakeClock();

function watched() {
  const told: string[] = [];
  const liveness = new Liveness({ ping: () => told.push("ping"), byItself: () => true, answered: () => told.push("answered"), dead: () => told.push("dead") });
  return { liveness, told };
}

test("a page that was asleep while it waited for an answer asks again, because the answer may wait unread", () => {
  const { liveness, told } = watched();
  liveness.ask();
  clock.pass(1_000);
  clock.now += 45_000;
  mock.timers.tick(2_000);
  assert.deepEqual(told, ["ping", "ping"]);
  clock.pass(3_000);
  assert.deepEqual(told, ["ping", "ping", "dead"]);
});

test("what is expected shortens the wait once, and a sign of life lengthens it", () => {
  const { liveness, told } = watched();
  clock.pass(5_000);
  liveness.expect();
  clock.pass(1_750);
  liveness.expect();
  clock.pass(250);
  assert.deepEqual(told, ["ping"]);
  liveness.heard();
  assert.deepEqual(told, ["ping"], "nobody had a doubt");
  clock.pass(19_750);
  liveness.expect();
  clock.pass(250);
  assert.deepEqual(told, ["ping", "ping"]);
  liveness.ask();
  assert.equal(liveness.doubted, true);
  liveness.heard();
  assert.deepEqual([told, liveness.doubted], [["ping", "ping", "answered"], false]);
  liveness.stop();
  clock.pass(60_000);
  assert.equal(told.length, 3);
});
