import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Outage } from "./outage.js";

let clock = 0;

beforeEach(() => {
  clock = 100_000;
  mock.timers.enable({ apis: ["setInterval"] });
  mock.method(performance, "now", () => clock);
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

/** An outage that begins now. It stops when it is given up. */
function outage({ ready = true, serviceBack = -Infinity } = {}) {
  const service = { ready, back: serviceBack, doubted: false };
  const told = { postponed: 0, givenUpAfter: undefined as number | undefined };
  const began = clock;
  const one: Outage = new Outage({
    serviceBack: () => service.back,
    canSignal: () => service.ready,
    doubted: () => service.doubted,
    postponed: () => void told.postponed++,
    givenUp: () => {
      told.givenUpAfter ??= clock - began;
      one.stop();
    },
  });
  return { one, service, told };
}

function pass(ms: number): void {
  for (const end = clock + ms; clock < end; ) {
    clock += 500;
    mock.timers.tick(500);
  }
}

test("an outage without a response is given up soon", () => {
  const { one, told } = outage();
  assert.equal(one.peerSilent, true);
  pass(10_000);
  assert.equal(told.givenUpAfter, 3_500);
  assert.deepEqual([one.on, one.away], [false, false]);
});

test("the first response gives the restart its full time", () => {
  const { one, told } = outage();
  pass(1_000);
  one.respond();
  pass(10_000);
  one.respond();
  assert.deepEqual([one.responded, one.peerSilent], [true, false]);
  pass(20_000);
  assert.equal(told.givenUpAfter, 21_000);
});

test("while signaling frames cannot go out the outage lasts up to a minute", () => {
  const { one, service, told } = outage();
  service.ready = false;
  pass(30_000);
  assert.deepEqual([told.postponed, told.givenUpAfter], [60, undefined]);
  service.ready = true;
  service.back = clock;
  assert.equal(one.peerSilent, false, "this side's network was away");
  pass(3_000);
  service.ready = false;
  pass(60_000);
  assert.equal(told.givenUpAfter, 60_000);
});

test("a response does not count any more when signaling frames could not go out after it", () => {
  const { one, service, told } = outage();
  one.respond();
  service.ready = false;
  pass(500);
  service.ready = true;
  assert.equal(one.responded, false);
  pass(10_000);
  assert.equal(told.givenUpAfter, 4_000);
});

test("a service that came back just before the outage shows that this side's network was away", () => {
  for (const [serviceBack, ready, away] of [[clock - 14_000, true, true], [clock - 15_000, true, false], [-Infinity, false, true]] as const) {
    const { one } = outage({ ready, serviceBack });
    assert.equal(one.away, away);
    one.stop();
  }
});

test("while it is in doubt whether the service is there, the other side's time does not run", () => {
  const { one, service, told } = outage();
  service.doubted = true;
  assert.equal(one.peerSilent, false);
  pass(5_000);
  service.doubted = false;
  pass(3_000);
  assert.deepEqual([told.postponed, told.givenUpAfter], [0, undefined]);
  pass(500);
  assert.equal(told.givenUpAfter, 8_500);
});

test("a page that was asleep gives the other side its full time", () => {
  const { one, told } = outage();
  pass(1_000);
  clock += 45_000;
  mock.timers.tick(500);
  assert.equal(told.givenUpAfter, undefined, "what came meanwhile waits unread");
  pass(1_500);
  assert.equal(one.on, true);
  pass(500);
  assert.equal(one.on, false);
});
