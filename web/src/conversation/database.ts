/**
 * What the page keeps on this device: one IndexedDB database for all logins. Of IndexedDB the page needs so little that
 * these lines take the place of a library (idb, 1.2 KB compressed, is the one to take when it needs more).
 */

const NAME = "p2p-messaging";
const VERSION = 1;

/** What the database has. */
export type StoreName =
  /** This browser's certificates, by name. */
  | "identity"
  /** What is known of whom one has talked to, by [own login, other's login]. */
  | "contacts"
  /** Conversations without their entries, by [own login, other's login]. */
  | "conversations"
  /** Entries, by [own login, other's login, time in ms, id]. */
  | "entries";

const STORES: readonly StoreName[] = ["identity", "contacts", "conversations", "entries"];

/** One change, of several that are made together or not at all. */
export type Change =
  | { store: StoreName; key: IDBValidKey; value: unknown }
  | { store: StoreName; delete: IDBValidKey | IDBKeyRange };

/** A range of keys that begin with these logins. */
export function below(...logins: string[]): IDBKeyRange {
  // An array comes behind every number and string (W3C, Indexed Database API, "compare two keys").
  return IDBKeyRange.bound(logins, [...logins, []]);
}

export interface Database {
  get(store: StoreName, key: IDBValidKey): Promise<unknown>;
  /** Values in the order of their keys. */
  all(store: StoreName, range?: IDBKeyRange): Promise<unknown[]>;
  /** Hands over values, the last one first, as long as there are any and `take` says that it takes more. */
  newest(store: StoreName, range: IDBKeyRange, take: (value: unknown) => boolean): Promise<void>;
  /** Makes the changes in one transaction. @throws {DOMException} QuotaExceededError where there is no room */
  change(changes: readonly Change[]): Promise<void>;
  /** Puts a value where there is none, and returns the one that is there then. */
  claim(store: StoreName, key: IDBValidKey, value: unknown): Promise<unknown>;
  /** Deletes all that there is. */
  clear(): Promise<void>;
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function committed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

/** How long a browser may take to open a database, in ms: one that is in trouble may never. */
const OPEN_TIMEOUT = 5_000;

function inTime<T>(promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("the database does not open")), OPEN_TIMEOUT);
    void promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Opens the database; undefined: this browser keeps nothing for this page. */
export async function openDatabase(): Promise<Database | undefined> {
  let database: IDBDatabase;
  try {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      for (const store of STORES) {
        if (!request.result.objectStoreNames.contains(store)) request.result.createObjectStore(store);
      }
    };
    database = await inTime(done(request));
  } catch {
    return undefined; // Private modes, a full disk, a database of a later version.
  }
  // A later version of the page in another tab wants to change the database: this one goes on without.
  database.onversionchange = () => database.close();
  return {
    get: async (store, key) => done(database.transaction(store).objectStore(store).get(key)),
    all: async (store, range) => done(database.transaction(store).objectStore(store).getAll(range)),
    newest: (store, range, take) =>
      new Promise<void>((resolve, reject) => {
        const request = database.transaction(store).objectStore(store).openCursor(range, "prev");
        request.onerror = () => reject(request.error);
        request.onsuccess = () => {
          const cursor = request.result;
          if (cursor === null || !take(cursor.value)) resolve();
          else cursor.continue();
        };
      }),
    change: async (changes) => {
      if (changes.length === 0) return;
      const transaction = database.transaction([...new Set(changes.map(({ store }) => store))], "readwrite");
      for (const change of changes) {
        const objects = transaction.objectStore(change.store);
        if ("delete" in change) objects.delete(change.delete);
        else objects.put(change.value, change.key);
      }
      await committed(transaction);
    },
    claim: async (store, key, value) => {
      const transaction = database.transaction(store, "readwrite");
      const objects = transaction.objectStore(store);
      const there = await done(objects.get(key));
      if (there === undefined) objects.put(value, key);
      await committed(transaction);
      return there ?? value;
    },
    clear: async () => {
      const transaction = database.transaction([...STORES], "readwrite");
      for (const store of STORES) transaction.objectStore(store).clear();
      await committed(transaction);
    },
  };
}
