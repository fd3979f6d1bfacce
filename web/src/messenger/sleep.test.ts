import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { noticeSleep } from "./sleep.js";

test("a page that stood still is told apart from one whose timers are a little late", () => {
  mock.timers.enable({ apis: ["setInterval"] });
  const clocks = { performance: 0, date: 0 };
  mock.method(performance, "now", () => clocks.performance);
  mock.method(Date, "now", () => clocks.date);
  let woke = 0;
  noticeSleep(() => woke++);
  const look = (performance: number, date = performance) => {
    clocks.performance += performance;
    clocks.date += date;
    mock.timers.tick(2_000);
    return woke;
  };
  assert.equal(look(2_000), 0);
  assert.equal(look(3_500), 0, "timers of a hidden page");
  assert.equal(look(20_000), 1, "a process that was stopped");
  assert.equal(look(2_000), 1);
  assert.equal(look(2_000, 600_000), 2, "a device that was asleep");
  assert.equal(look(2_000, -3_600_000), 2, "a clock that was set back");
  mock.timers.reset();
  mock.restoreAll();
});
