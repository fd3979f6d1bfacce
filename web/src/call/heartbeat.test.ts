import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Heartbeat } from "./heartbeat.js";

beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "setInterval"] }));
afterEach(() => mock.timers.reset());

/** A heartbeat, what it tells, and what the test decides about the other side. */
function beating() {
  const told: string[] = [];
  const other = { buffered: 0, pulse: 0, pings: 0 };
  const heartbeat = new Heartbeat({
    ping: () => void other.pings++,
    buffered: () => other.buffered,
    pulse: async () => other.pulse,
    late: () => void told.push("late"),
    silent: (gone) => void told.push(gone ? "gone" : "silent"),
    alive: () => void told.push("alive"),
  });
  const beat = async (count = 1) => {
    for (let i = 0; i < count; i++) {
      mock.timers.tick(2_500);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { told, other, heartbeat, beat };
}

test("a page that replies is there, and silence is told from the second heartbeat on", async () => {
  const { told, other, heartbeat, beat } = beating();
  for (let i = 0; i < 10; i++) {
    heartbeat.signOfLife();
    await beat();
  }
  assert.deepEqual([told, other.pings], [[], 10]);
  await beat(4);
  assert.deepEqual(told.splice(0), ["late", "silent", "gone", "gone"]);
  heartbeat.signOfLife();
  heartbeat.signOfLife();
  assert.deepEqual(told.splice(0), ["alive"]);
  heartbeat.stop();
  await beat(10);
  assert.deepEqual(told, []);
});

test("a send buffer that drains is a sign of life", async () => {
  const { told, other, heartbeat, beat } = beating();
  heartbeat.signOfLife();
  for (other.buffered = 1_000; other.buffered > 0; other.buffered -= 100) await beat();
  assert.deepEqual(told, []);
  heartbeat.stop();
});

test("a page whose browser responds on the network is given more time", async () => {
  const { told, other, heartbeat, beat } = beating();
  for (let i = 1; i <= 15; i++) {
    other.pulse++;
    await beat();
  }
  assert.deepEqual(told, []);
  other.pulse++;
  await beat();
  assert.deepEqual(told, ["gone"]);
  heartbeat.stop();
});

test("heartbeats that were missed in an outage do not count after it", async () => {
  const { told, heartbeat, beat } = beating();
  await beat(2);
  heartbeat.reconnected();
  await beat(2);
  assert.deepEqual(told, ["late", "silent", "late", "silent"]);
  heartbeat.stop();
});

test("a probe is over with the next pong, or in time without one", async () => {
  const { other, heartbeat } = beating();
  const probes = [heartbeat.probe(800), heartbeat.probe(800)];
  assert.equal(other.pings, 2);
  heartbeat.pong();
  assert.deepEqual(await Promise.all(probes), [true, true]);
  const unheard = heartbeat.probe(800);
  mock.timers.tick(800);
  assert.equal(await unheard, false);
  heartbeat.stop();
});

test("a page that was asleep does not take its own silence for the other's", async () => {
  let clock = 0;
  mock.method(performance, "now", () => clock);
  const { told, heartbeat } = beating();
  for (const gap of [2_500, 2_500, 45_000, 2_500]) {
    clock += gap;
    mock.timers.tick(2_500);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(told, ["late", "silent", "late"]);
  heartbeat.stop();
  mock.restoreAll();
});
