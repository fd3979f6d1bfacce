import { type Connection, type ConnectionEvents, type Database, isAbsence } from "./database.js";

/** How long the browser may take to open the database or to read a record, in ms. After that the person is told. */
const TIMEOUT = 5_000;
/** How long it may take to bring the database to this version, in ms. After that the person is told. */
const UPGRADE_TIMEOUT = 60_000;
/** How long the page waits before it opens the database again, in ms: the second time, and at most. The first time it does not wait. */
const SECOND_PAUSE = 500;
const LONGEST_PAUSE = 30_000;
/** If a connection has lasted this long, in ms, the page opens another at once when it is lost. */
const GOOD = 5_000;
/**
 * How long after it has opened the database again the page looks whether it is there, in ms. A browser that is about to delete the
 * database may open it once more, and close that connection without a word (Chromium 156).
 */
const CHECK_AFTER = 1_000;
/** How long the page waits before it does again what has failed, in ms: once, and once more. */
const PAUSES = [50, 250];

/** Why the page cannot reach what the device keeps. */
export type Trouble =
  /** The browser takes long to open the database, or to read a record. */
  | "slow"
  /** Another tab has a connection to a database of an earlier version. */
  | "blocked"
  /** A later version of the page has changed the database. */
  | "outdated"
  /** The database does not open, or what is done with it fails. */
  | "failing"
  /** The person goes on without what the device keeps, until the page is loaded again. */
  | "given-up";

/** The person goes on without what the device keeps. */
export class DatabaseGivenUp extends Error {}

export interface ReopeningHost {
  /** `trouble` has changed. */
  changed(): void;
  /** The database can be reached again. @param fresh it is a new one, because the one before was deleted */
  back(fresh: boolean): void;
  /** Something has been written. */
  written(): void;
}

/**
 * The database of the device. When its connection is lost, it is opened again, until the page is closed. What fails is done again, and
 * rejects only if it fails again. A failure that is not about what was to be written counts as a loss of the connection.
 */
export class ReopeningDatabase implements Database {
  #connection: Connection | undefined;
  #trouble: Trouble | undefined;
  /** How long the page waits before it opens the database the next time, in ms. */
  #pause = 0;
  /** When it was opened last, by performance.now(). It is Infinity while it is not open. */
  #openedAt = Infinity;
  /** Those who wait until the database is open, or does not open. */
  #waiting: (() => void)[] = [];
  /** Ends each read that is under way, for the person who goes on without it. */
  readonly #reading = new Set<() => void>();
  #find!: (database: Database | undefined) => void;
  /**
   * The database, once it is open or does not open in time. It is undefined if this browser keeps nothing for this page. If the
   * database does not open, what is done with it rejects until it does.
   */
  readonly found = new Promise<Database | undefined>((resolve) => (this.#find = resolve));

  constructor(
    private readonly host: ReopeningHost,
    private readonly open: (events: ConnectionEvents) => Promise<Connection>,
  ) {
    void this.#open();
  }

  /** Why what the device keeps cannot be reached. It is undefined if it can, and while a connection is being made. */
  get trouble(): Trouble | undefined {
    return this.#trouble;
  }

  /** The person goes on without what the device keeps. From now on everything rejects with DatabaseGivenUp. */
  giveUp(): void {
    this.#connection?.close();
    this.#connection = undefined;
    this.#inTrouble("given-up");
    for (const stop of this.#reading) stop(); // A read that hangs would hang for ever.
  }

  get: Database["get"] = (...args) => this.#do((database) => this.#inTime(database, database.get(...args)));
  entry: Database["entry"] = (...args) => this.#do((database) => database.entry(...args));
  all: Database["all"] = (...args) => this.#do((database) => database.all(...args));
  newest: Database["newest"] = (store, range, take) => {
    let taken = false;
    const once = (value: unknown) => {
      taken = true;
      return take(value);
    };
    return this.#do((database) => database.newest(store, range, once), () => !taken);
  };
  change: Database["change"] = (...args) => this.#write((database) => database.change(...args));
  write: Database["write"] = (stores, work) => this.#write((database) => database.write(stores, work));
  claim: Database["claim"] = (...args) => this.#do((database) => this.#inTime(database, database.claim(...args)));
  clear: Database["clear"] = () => this.#do((database) => database.clear());

  async #write<T>(act: (database: Database) => Promise<T>): Promise<T> {
    const result = await this.#do(act);
    this.host.written();
    return result;
  }

  /** @param repeatable whether it may be done again if it fails */
  async #do<T>(act: (database: Database) => Promise<T>, repeatable = () => true): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      const connection = await this.#connected();
      try {
        return await act(connection);
      } catch (error) {
        if (isAboutTheValue(error)) throw error;
        // The browser is closing the connection, and has not said so yet.
        if (error instanceof DOMException && error.name === "InvalidStateError") this.#closed(connection);
        const pause = PAUSES[attempt];
        if (pause === undefined || !repeatable()) {
          this.#doubt(connection);
          throw error ?? new DOMException("the transaction was aborted", "AbortError");
        }
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
  }

  /** Passes on what is read, and tells the person if that takes long. */
  async #inTime<T>(connection: Database, reading: Promise<T>): Promise<T> {
    const limit = setTimeout(() => {
      if (this.#connection === connection) this.#inTrouble("slow");
    }, TIMEOUT);
    let stop = () => {};
    const givenUp = new Promise<never>((_, reject) => (stop = () => reject(new DatabaseGivenUp())));
    this.#reading.add(stop);
    try {
      const result = await Promise.race([reading, givenUp]);
      if (this.#trouble === "slow" && this.#connection === connection) {
        this.#trouble = undefined;
        this.host.changed();
      }
      return result;
    } finally {
      clearTimeout(limit);
      this.#reading.delete(stop);
    }
  }

  async #connected(): Promise<Connection> {
    if (this.#connection === undefined && this.#trouble === undefined) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#trouble === "given-up") throw new DatabaseGivenUp();
    if (this.#connection === undefined) throw new DOMException("the database is not open", "TimeoutError");
    return this.#connection;
  }

  /** @param opened whether the database has been open before */
  async #open(opened = false): Promise<void> {
    let late: Trouble = "slow";
    const tell = () => this.#inTrouble(late);
    let limit = setTimeout(tell, TIMEOUT);
    const upgrading = () => {
      clearTimeout(limit);
      late = "slow"; // No other tab blocks it any more.
      if (this.#trouble === "blocked") tell();
      limit = setTimeout(tell, UPGRADE_TIMEOUT);
    };
    try {
      const connection: Connection = await this.open({ blocked: () => (late = "blocked"), upgrading, closed: () => this.#closed(connection) });
      if (this.#trouble === "given-up") return connection.close();
      // A browser in trouble may open a database that cannot be read.
      if (this.#trouble !== undefined) await readable(connection);
      this.#opened(connection, opened);
    } catch (error) {
      if (this.#trouble === "given-up") return;
      if (!opened && this.#trouble === undefined && isAbsence(error)) return this.#find(undefined);
      this.#inTrouble(error instanceof DOMException && error.name === "VersionError" ? "outdated" : "failing");
      this.#openLater(opened);
    } finally {
      clearTimeout(limit);
    }
  }

  #opened(connection: Connection, again: boolean): void {
    const back = again || this.#trouble !== undefined;
    this.#connection = connection;
    this.#openedAt = performance.now();
    this.#trouble = undefined;
    this.#settle();
    if (!back) return;
    this.host.changed();
    this.host.back(connection.fresh);
    setTimeout(() => void this.get("identity", "current").catch(() => {}), CHECK_AFTER);
  }

  /** The connection is lost: opens another one. */
  #closed(connection: Connection): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#openLater(true);
  }

  /** What is done with the connection fails, although it is open: opens another one after a while. */
  #doubt(connection: Connection): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    connection.close();
    this.#inTrouble("failing");
    this.#openLater(true);
  }

  #openLater(opened: boolean): void {
    if (performance.now() - this.#openedAt >= GOOD) this.#pause = 0;
    this.#openedAt = Infinity;
    if (this.#pause > 0 && this.#trouble === undefined) this.#inTrouble("failing");
    setTimeout(() => void this.#open(opened), this.#pause);
    this.#pause = Math.min(Math.max(2 * this.#pause, SECOND_PAUSE), LONGEST_PAUSE);
  }

  #inTrouble(trouble: Trouble): void {
    if (this.#trouble === trouble || this.#trouble === "given-up") return;
    this.#trouble = trouble;
    this.#settle();
    this.host.changed();
  }

  #settle(): void {
    this.#find(this);
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Resolves if the database can be read. Otherwise the connection is closed. */
async function readable(connection: Connection): Promise<void> {
  try {
    await connection.get("identity", "current");
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** Whether an error is about what was to be written, so that another connection would not help: there is no room, or no way to store it. */
function isAboutTheValue(error: unknown): boolean {
  if (error instanceof DOMException) return ["QuotaExceededError", "DataCloneError", "DataError", "ConstraintError"].includes(error.name);
  return error !== null && error !== undefined; // It is of the one who writes.
}
