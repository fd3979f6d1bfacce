/** What the page's database has in it, and how a database of an earlier version becomes one of this version. */

import { isFields } from "../signaling/fields.js";

export const NAME = "p2p-messaging";
export const VERSION = 2;

/** The object stores of the database. Logins in keys are as loginKey returns them. */
export type StoreName =
  /** This browser's certificates, by name (identity/identity.ts). */
  | "identity"
  /** Contacts, by [own login, other login]. */
  | "contacts"
  /** Conversations without their entries, by [own login, other login]. */
  | "conversations"
  /**
   * Entries, by [`me`, `key`, `seq`]: own login, other login and number. The numbers are those of the device: an entry gets the next one
   * when it is added. The clock does not count, because it may jump.
   */
  | "entries"
  /** The last number that an entry has got, under ENTRIES. */
  | "sequence";

export const STORES: readonly StoreName[] = ["identity", "contacts", "conversations", "entries", "sequence"];

/** The index of the entries by [`me`, `key`, `id`]. */
export const IDS = "ids";
/** The key of the last number in the store `sequence`. */
export const ENTRIES = "entries";

/** Brings a new database, or one of an earlier version, to this version. Everything that is there stays. */
export function upgrade(transaction: IDBTransaction): void {
  const { db } = transaction;
  for (const store of STORES) if (!db.objectStoreNames.contains(store)) db.createObjectStore(store);
  const entries = transaction.objectStore("entries");
  if (entries.indexNames.contains(IDS)) return;
  entries.createIndex(IDS, ["me", "key", "id"]);
  transaction.objectStore("conversations").getAll().onsuccess = (event) => {
    const conversations = (event.target as IDBRequest<unknown[]>).result.filter(isFields).sort((a, b) => activity(a) - activity(b));
    const ranges = conversations.map(({ me, key }) => (typeof me === "string" && typeof key === "string" ? below(me, key) : undefined));
    number(transaction, [...ranges.filter((range) => range !== undefined), undefined]);
  };
}

/** Version 1 kept when the newest entry of a conversation was added. */
function activity({ active }: Record<string, unknown>): number {
  return active instanceof Date ? active.getTime() || 0 : 0;
}

/**
 * Numbers the entries of version 1, whose keys were [own login, other login, time in ms, id], in the order of their keys. That is the
 * order in which version 1 showed them.
 * @param ranges what is numbered first, and what next. The last one is undefined, for all that is left
 */
function number(transaction: IDBTransaction, ranges: (IDBKeyRange | undefined)[], last = 0): void {
  const entries = transaction.objectStore("entries");
  entries.openCursor(ranges[0]).onsuccess = (event) => {
    const cursor = (event.target as IDBRequest<IDBCursorWithValue | null>).result;
    if (cursor !== null) {
      const { key, value } = cursor as { key: unknown; value: unknown };
      if (Array.isArray(key) && key.length === 4 && isFields(value)) {
        const [me, other, , id] = key as [string, string, number, string];
        cursor.delete();
        entries.put({ ...value, id, me, key: other, seq: ++last }, [me, other, last]);
      }
      cursor.continue();
    } else if (ranges.length > 1) number(transaction, ranges.slice(1), last);
    else transaction.objectStore("sequence").put(last, ENTRIES);
  };
}

/** The range of keys that begin with these logins. */
export function below(...logins: string[]): IDBKeyRange {
  // An array is greater than every number and string (W3C, Indexed Database API, "compare two keys").
  return IDBKeyRange.bound(logins, [...logins, []]);
}
