import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { fakeClock } from "../signaling/clock.fixture.js";
import { Outage } from "./outage.js";

const clock = fakeClock(100_000, 500);

/** An outage that begins now. It stops when it is given up. */
function outage({ ready = true, serviceBack = -Infinity } = {}) {
  const service = { ready, back: serviceBack, doubted: false };
  const told = { postponed: 0, givenUpAfter: undefined as number | undefined };
  const began = clock.now;
  const one: Outage = new Outage({
    serviceBack: () => service.back,
    canSignal: () => service.ready,
    doubted: () => service.doubted,
    postponed: () => void told.postponed++,
    givenUp: () => {
      told.givenUpAfter ??= clock.now - began;
      one.stop();
    },
  });
  return { one, service, told };
}

test("an outage without a response is given up soon", () => {
  const { one, told } = outage();
  assert.equal(one.peerSilent, true);
  clock.pass(10_000);
  assert.equal(told.givenUpAfter, 3_500);
  assert.deepEqual([one.on, one.away], [false, false]);
});

test("the first response gives the restart its full time", () => {
  const { one, told } = outage();
  clock.pass(1_000);
  one.respond();
  clock.pass(10_000);
  one.respond();
  assert.deepEqual([one.responded, one.peerSilent], [true, false]);
  clock.pass(20_000);
  assert.equal(told.givenUpAfter, 21_000);
});

test("while signaling frames cannot go out the outage lasts up to a minute", () => {
  const { one, service, told } = outage();
  service.ready = false;
  clock.pass(30_000);
  assert.deepEqual([told.postponed, told.givenUpAfter], [60, undefined]);
  service.ready = true;
  service.back = clock.now;
  assert.equal(one.peerSilent, false, "this side's network was away");
  clock.pass(3_000);
  service.ready = false;
  clock.pass(60_000);
  assert.equal(told.givenUpAfter, 60_000);
});

test("a response does not count any more when signaling frames could not go out after it", () => {
  const { one, service, told } = outage();
  one.respond();
  service.ready = false;
  clock.pass(500);
  service.ready = true;
  assert.equal(one.responded, false);
  clock.pass(10_000);
  assert.equal(told.givenUpAfter, 4_000);
});

test("a service that came back just before the outage shows that this side's network was away", () => {
  for (const [serviceBack, ready, away] of [[clock.now - 14_000, true, true], [clock.now - 15_000, true, false], [-Infinity, false, true]] as const) {
    const { one } = outage({ ready, serviceBack });
    assert.equal(one.away, away);
    one.stop();
  }
});

test("while it is in doubt whether the service is there, the other side's time does not run", () => {
  const { one, service, told } = outage();
  service.doubted = true;
  assert.equal(one.peerSilent, false);
  clock.pass(5_000);
  service.doubted = false;
  clock.pass(3_000);
  assert.deepEqual([told.postponed, told.givenUpAfter], [0, undefined]);
  clock.pass(500);
  assert.equal(told.givenUpAfter, 8_500);
});

test("a page that was asleep gives the other side its full time", () => {
  const { one, told } = outage();
  clock.pass(1_000);
  clock.now += 45_000;
  mock.timers.tick(500);
  assert.equal(told.givenUpAfter, undefined, "what came meanwhile waits unread");
  clock.pass(1_500);
  assert.equal(one.on, true);
  clock.pass(500);
  assert.equal(one.on, false);
});
