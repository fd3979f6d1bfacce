/**
 * What the page keeps on this device: one IndexedDB database for all logins. The page needs so little of IndexedDB that it uses no
 * library. If it needs more, idb (1.2 KB compressed) is a good one.
 */

import { IDS, NAME, STORES, type StoreName, VERSION, upgrade } from "./schema.js";

/** A change of one record, or the deletion of several. */
export type Change =
  | { store: StoreName; key: IDBValidKey; value: unknown }
  | { store: StoreName; delete: IDBValidKey | IDBKeyRange };

/** What can be done in one transaction. It ends when the page waits for anything but a method of it. */
export interface Transaction {
  get(store: StoreName, key: IDBValidKey): Promise<unknown>;
  /** Returns the entry with an id, of the conversation of `me` with `key`. */
  entry(me: string, key: string, id: string): Promise<unknown>;
  /** Passes values to `take`, in the order of their keys. */
  each(store: StoreName, range: IDBKeyRange, take: (value: unknown) => void): Promise<void>;
  put(store: StoreName, key: IDBValidKey, value: unknown): void;
  delete(store: StoreName, key: IDBValidKey): void;
}

/** The database, as the page uses it. Every method rejects with a DOMException if the browser cannot do it. */
export interface Database {
  get(store: StoreName, key: IDBValidKey): Promise<unknown>;
  /** Returns the entry with an id, of the conversation of `me` with `key`. */
  entry(me: string, key: string, id: string): Promise<unknown>;
  /** Returns values in the order of their keys. */
  all(store: StoreName, range?: IDBKeyRange): Promise<unknown[]>;
  /** Passes values to `take`, the last one first, until `take` returns false or there are no more. */
  newest(store: StoreName, range: IDBKeyRange, take: (value: unknown) => boolean): Promise<void>;
  /** Makes all changes in one transaction, or none. If there is no room it rejects with a QuotaExceededError. */
  change(changes: readonly Change[]): Promise<void>;
  /**
   * Makes the changes of `work` in one transaction, or none of them. No other transaction changes these stores meanwhile, also in other
   * tabs. If there is no room it rejects with a QuotaExceededError. What `work` throws is passed on.
   */
  write<T>(stores: readonly StoreName[], work: (transaction: Transaction) => Promise<T>): Promise<T>;
  /** Stores a value if there is none under the key. Returns the one that is there afterwards. */
  claim(store: StoreName, key: IDBValidKey, value: unknown): Promise<unknown>;
  /** Deletes everything. */
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

/** The entry with an id. */
function entry(transaction: IDBTransaction, ...id: [me: string, key: string, id: string]): Promise<unknown> {
  return done(transaction.objectStore("entries").index(IDS).get(id));
}

function each(request: IDBRequest<IDBCursorWithValue | null>, take: (value: unknown) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const cursor = request.result;
      if (cursor === null) return resolve();
      take(cursor.value);
      cursor.continue();
    };
  });
}

/** A connection to the database. */
export interface Connection extends Database {
  /** Whether the database was not there before. */
  readonly fresh: boolean;
  close(): void;
}

/** What happens while the database opens, and to a connection. */
export interface ConnectionEvents {
  /** Another tab keeps a connection to a database of an earlier version. */
  blocked(): void;
  /** A database of an earlier version becomes one of this version. That takes longer the more there is in it. */
  upgrading(): void;
  /** The connection is closed: by the browser, or because another tab deletes the database or brings it to a later version. */
  closed(): void;
}

/** Whether opening has failed because this browser keeps nothing for this page: it has no IndexedDB, or a mode without it. */
export function isAbsence(error: unknown): boolean {
  if (!(error instanceof DOMException)) return true; // There is no `indexedDB`, or no method `open`.
  return ["SecurityError", "InvalidStateError", "NotSupportedError"].includes(error.name);
}

/** Opens the database. It may take as long as the browser likes. */
export async function openConnection({ blocked, upgrading, closed }: ConnectionEvents): Promise<Connection> {
  let fresh = false;
  const request = indexedDB.open(NAME, VERSION);
  request.onblocked = blocked;
  request.onupgradeneeded = ({ oldVersion }) => {
    fresh = oldVersion === 0;
    if (!fresh) upgrading();
    upgrade(request.transaction!);
  };
  const database = await done(request);
  database.onclose = closed;
  database.onversionchange = () => {
    database.close(); // The other tab waits for it.
    closed();
  };
  return {
    fresh,
    close: () => database.close(),
    get: async (store, key) => done(database.transaction(store).objectStore(store).get(key)),
    entry: async (...id) => entry(database.transaction("entries"), ...id),
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
    write: async (stores, work) => {
      const transaction = database.transaction([...stores], "readwrite");
      const commit = committed(transaction);
      commit.catch(() => {}); // It is awaited below, unless the work fails first.
      try {
        const result = await work({
          get: (store, key) => done(transaction.objectStore(store).get(key)),
          entry: (...id) => entry(transaction, ...id),
          each: (store, range, take) => each(transaction.objectStore(store).openCursor(range), take),
          put: (store, key, value) => transaction.objectStore(store).put(value, key),
          delete: (store, key) => transaction.objectStore(store).delete(key),
        });
        await commit;
        return result;
      } catch (error) {
        const { error: reason } = transaction; // The work fails, too, if the transaction has failed.
        try {
          transaction.abort();
        } catch {
          // It is over.
        }
        throw reason ?? error;
      }
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
