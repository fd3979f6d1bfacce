import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import type { Connection, ConnectionEvents } from "./database.js";
import { DatabaseGivenUp, ReopeningDatabase, type Trouble } from "./reopening.js";
import { settled } from "../signaling/settled.fixture.js";

beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
afterEach(() => mock.timers.reset());

async function pass(ms: number): Promise<void> {
  await settled();
  for (let left = ms; left > 0; left -= 50) {
    mock.timers.tick(Math.min(50, left));
    await settled();
  }
}

const failure = (name: string) => new DOMException("no", name);

/** A browser whose database opens and works as the test says. */
function browser() {
  const told: (Trouble | "well" | "back" | "back, fresh" | "written")[] = [];
  const opens: { events: ConnectionEvents; succeed: (fresh?: boolean) => void; fail: (error: unknown) => void }[] = [];
  /** What the next operations reject with. */
  const faults: unknown[] = [];
  const state = { connections: 0, operations: 0 };
  const database = new ReopeningDatabase(
    {
      changed: () => told.push(database.trouble ?? "well"),
      back: (fresh) => told.push(fresh ? "back, fresh" : "back"),
      written: () => told.push("written"),
    },
    (events) =>
      new Promise((resolve, reject) => {
        const operate = async () => {
          state.operations++;
          if (faults.length > 0) throw faults.shift();
          return "there";
        };
        const succeed = (fresh = false) => {
          let open = true;
          state.connections++;
          const close = () => {
            if (open) state.connections--;
            open = false;
          };
          resolve({
            ...{ fresh, close, get: operate, all: operate, newest: operate, change: operate, write: operate, claim: operate, clear: operate, entry: operate },
          } as unknown as Connection);
        };
        opens.push({ events, succeed, fail: reject });
      }),
  );
  let found: unknown = "not yet";
  void database.found.then((one) => (found = one));
  return { database, told, opens, faults, state, found: () => found };
}

const get = (database: ReopeningDatabase) => database.get("contacts", "bob");

test("a database that opens serves, and nobody is told", async () => {
  const { database, told, opens, found } = browser();
  const reading = get(database);
  opens[0]!.succeed(true);
  assert.equal(await reading, "there");
  await database.change([]);
  await database.write([], async () => {});
  await pass(60_000);
  assert.equal(found(), database);
  assert.deepEqual(told, ["written", "written"]);
});

test("a browser that keeps nothing is not in trouble", async () => {
  for (const error of [new TypeError("indexedDB is null"), new ReferenceError("no indexedDB"), failure("SecurityError"), failure("InvalidStateError")]) {
    const { told, opens, found } = browser();
    opens[0]!.fail(error);
    await pass(60_000);
    assert.deepEqual([found(), told, opens.length], [undefined, [], 1]);
  }
});

test("a database that opens late, or is blocked by another window, is waited for, and until then everything rejects", async () => {
  for (const trouble of ["slow", "blocked"] as const) {
    const { database, told, opens, found } = browser();
    if (trouble === "blocked") opens[0]!.events.blocked();
    const reading = assert.rejects(get(database), { name: "TimeoutError" });
    await pass(4_950);
    assert.deepEqual([told, found()], [[], "not yet"]);
    await pass(50);
    await reading;
    assert.deepEqual([told.splice(0), found()], [[trouble], database]);
    await assert.rejects(get(database), { name: "TimeoutError" });
    await pass(60_000);
    opens[0]!.succeed();
    await settled();
    assert.equal(await get(database), "there");
    assert.deepEqual([told, opens.length], [["well", "back"], 1]);
  }
});

test("a database that is being upgraded is not slow until that takes very long", async () => {
  for (const blocked of [false, true]) {
    const { database, told, opens } = browser();
    if (blocked) opens[0]!.events.blocked();
    const reading = get(database);
    await pass(4_950);
    opens[0]!.events.upgrading();
    await pass(59_950);
    assert.deepEqual(told, []);
    opens[0]!.succeed();
    assert.equal(await reading, "there");
    await pass(60_000);
    assert.deepEqual(told, [], "what waited has been done, and nobody was told");
  }
  const { database, told, opens } = browser();
  const reading = assert.rejects(get(database), { name: "TimeoutError" });
  opens[0]!.events.upgrading();
  await pass(60_000);
  await reading;
  assert.deepEqual(told, ["slow"]);
  opens[0]!.succeed();
  await settled();
  assert.deepEqual(told, ["slow", "well", "back"]);
});

test("once another window does not block the database any more, that is not told any more", async () => {
  const { told, opens } = browser();
  opens[0]!.events.blocked();
  await pass(5_000);
  opens[0]!.events.upgrading();
  assert.deepEqual(told.splice(0), ["blocked", "slow"]);
  opens[0]!.succeed();
  await settled();
  assert.deepEqual(told, ["well", "back"]);
});

test("a database that does not open is tried again, less and less often", async () => {
  const { database, told, opens } = browser();
  for (const [i, pause] of [50, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000].entries()) {
    opens.at(-1)!.fail(failure(i === 0 ? "UnknownError" : "VersionError"));
    await pass(pause - 50);
    assert.equal(opens.length, i + 1);
    await pass(50);
    assert.equal(opens.length, i + 2);
  }
  assert.deepEqual(told.splice(0), ["failing", "outdated"]);
  opens.at(-1)!.succeed(true);
  await settled();
  assert.deepEqual([told, await get(database)], [["well", "back, fresh"], "there"]);
});

test("a connection that is closed in the middle is made again, and nobody notices", async () => {
  for (const close of ["event", "no event"]) {
    const { database, told, opens, faults, state } = browser();
    opens[0]!.succeed();
    await get(database);
    if (close === "event") opens[0]!.events.closed();
    else faults.push(failure("InvalidStateError"));
    const reading = get(database);
    await pass(50);
    assert.equal(opens.length, 2);
    opens[1]!.succeed(close === "event");
    await pass(50);
    assert.equal(await reading, "there");
    assert.deepEqual(told, ["well", close === "event" ? "back, fresh" : "back"]);
    opens[0]!.events.closed();
    await pass(1_000);
    assert.equal(opens.length, 2, "the one before tells nothing any more");
    assert.equal(state.connections > 0, true);
    opens[1]!.events.closed();
    await pass(450);
    assert.equal(opens.length, 2, "a browser that closes it again and again is given time");
    await pass(50);
    assert.equal(opens.length, 3);
  }
});

test("what fails once is done again", async () => {
  for (const error of [failure("UnknownError"), failure("AbortError"), null]) {
    const { database, told, opens, faults } = browser();
    opens[0]!.succeed();
    for (const times of [1, 2]) {
      faults.push(...Array(times).fill(error));
      const reading = get(database);
      await pass(300);
      assert.equal(await reading, "there");
    }
    assert.deepEqual(told, []);
  }
});

test("what fails again and again is trouble until the database is open again and can be read", async () => {
  const { database, told, opens, faults, state } = browser();
  opens[0]!.succeed();
  faults.push(...Array(3).fill(null));
  const reading = assert.rejects(get(database), { name: "AbortError" });
  await pass(300);
  await reading;
  assert.deepEqual([told.splice(0), state.connections], [["failing"], 0]);
  await pass(50);
  assert.equal(opens.length, 2);
  faults.push(failure("UnknownError"));
  opens[1]!.succeed();
  await settled();
  assert.deepEqual([told, state.connections], [[], 0], "it opens and cannot be read");
  await pass(500);
  opens[2]!.succeed();
  await settled();
  assert.deepEqual([told, state.connections], [["well", "back"], 1]);
});

test("what has no room, or cannot be stored, or is the writer's own mistake, is no trouble of the database", async () => {
  for (const error of [failure("QuotaExceededError"), failure("DataCloneError"), new TypeError("a mistake")]) {
    const { database, told, opens, faults, state } = browser();
    opens[0]!.succeed();
    faults.push(error);
    await assert.rejects(database.write([], async () => {}), error as Error);
    assert.deepEqual([state.operations, told], [1, []]);
  }
});

test("values that were passed on are not passed on again", async () => {
  let attempts = 0;
  const taken: unknown[] = [];
  const newest = new ReopeningDatabase(
    { changed() {}, back() {}, written() {} },
    async () =>
      ({
        newest: async (_store: string, _range: unknown, take: (value: unknown) => boolean) => {
          attempts++;
          if (attempts > 1) take("one");
          throw failure("UnknownError");
        },
        close() {},
      }) as unknown as Connection,
  );
  const reading = assert.rejects(newest.newest("entries", {} as IDBKeyRange, (value) => taken.push(value) > 0), { name: "UnknownError" });
  await pass(300);
  await reading;
  assert.deepEqual([attempts, taken], [2, ["one"]]);
});

test("a read that takes long is told, and passed on when it comes", async () => {
  let read = (_: unknown) => {};
  const told: unknown[] = [];
  const database: ReopeningDatabase = new ReopeningDatabase(
    { changed: () => told.push(database.trouble), back: () => told.push("back"), written() {} },
    async () => ({ get: () => new Promise((resolve) => (read = resolve)) }) as unknown as Connection,
  );
  const reading = get(database);
  await pass(5_000);
  assert.deepEqual(told, ["slow"]);
  read("late");
  assert.equal(await reading, "late");
  assert.deepEqual(told, ["slow", undefined]);
});

test("a read that hangs ends when the person goes on without the database", async () => {
  const database = new ReopeningDatabase(
    { changed() {}, back() {}, written() {} },
    async () => ({ get: () => new Promise(() => {}), close() {} }) as unknown as Connection,
  );
  const reading = assert.rejects(get(database), DatabaseGivenUp);
  await pass(5_000);
  database.giveUp();
  await pass(1_000);
  await reading;
});

test("once the person goes on without it, the database stays closed", async () => {
  for (const opened of [true, false]) {
    const { database, told, opens, state, found } = browser();
    if (opened) opens[0]!.succeed();
    const waiting = opened ? undefined : assert.rejects(get(database), DatabaseGivenUp);
    await settled();
    database.giveUp();
    await waiting;
    await assert.rejects(get(database), DatabaseGivenUp);
    if (!opened) opens[0]!.succeed();
    await pass(60_000);
    assert.deepEqual([told, opens.length, state.connections, found()], [["given-up"], 1, 0, database]);
  }
});
