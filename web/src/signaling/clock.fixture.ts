import { afterEach, beforeEach, mock } from "node:test";

/** A clock that stands still until the test lets time pass. The timers and performance.now() follow it. */
export interface FakeClock {
  /** In ms. A test may set it, as when the device was asleep. */
  now: number;
  /** Lets time pass. */
  pass(ms: number): void;
}

/**
 * Each test of the file gets the clock anew.
 * @param start what it shows first, in ms
 * @param step how much passes between two looks at the timers, in ms
 */
export function fakeClock(start = 0, step = 250): FakeClock {
  const clock: FakeClock = {
    now: start,
    pass(ms) {
      for (const end = clock.now + ms; clock.now < end; ) {
        clock.now += step;
        mock.timers.tick(step);
      }
    },
  };
  beforeEach(() => {
    clock.now = start;
    mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
    mock.method(performance, "now", () => clock.now);
  });
  afterEach(() => {
    mock.timers.reset();
    mock.restoreAll();
  });
  return clock;
}
