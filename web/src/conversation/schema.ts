/** What the page's database has in it, and how a database of an earlier version becomes one of this version. */

import { isFields } from "../signaling/fields.js";
import { loginKey } from "../signaling/logins.js";

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
  rekey(transaction.objectStore("contacts"), (contacts) => contacts.sort(byTrust));
  rekey(transaction.objectStore("conversations"), (conversations) => {
    conversations.sort((a, b) => activity(a.value) - activity(b.value));
    number(transaction, [...conversations.map(({ key }) => below(...key)), undefined]);
    return conversations.map(({ key, value }) => ({ key, value: isFields(value) ? { ...value, me: loginKey(key[0]), key: loginKey(key[1]) } : value }));
  });
}

/** A record about two people. */
interface Between {
  key: [me: string, other: string];
  value: unknown;
}

/**
 * Brings the keys of a store to what loginKey returns now. For version 1 a final sigma was no sigma, so that two people may be one now.
 * @param order puts the records in an order, and may change them. Of those that come under one key the last one stays
 */
function rekey(store: IDBObjectStore, order: (records: Between[]) => Between[]): void {
  const records: Between[] = [];
  store.openCursor().onsuccess = (event) => {
    const cursor = (event.target as IDBRequest<IDBCursorWithValue | null>).result;
    if (cursor !== null) {
      const { key, value } = cursor as { key: unknown; value: unknown };
      if (Array.isArray(key) && key.length === 2 && key.every((login) => typeof login === "string")) records.push({ key: key as Between["key"], value });
      return cursor.continue();
    }
    const ordered = order(records);
    for (const { key } of ordered) store.delete(key);
    for (const { key, value } of ordered) store.put(value, key.map(loginKey));
  };
}

/** Those whose identity the person has verified come last, and before them those that were met last. */
function byTrust({ value: a }: Between, { value: b }: Between): number {
  const [left, right] = [a, b].map((contact) => (isFields(contact) ? contact : {})) as [Record<string, unknown>, Record<string, unknown>];
  return Number(left["verified"] === true) - Number(right["verified"] === true) || Number(left["since"]) - Number(right["since"]) || 0;
}

/** Version 1 kept when the newest entry of a conversation was added. */
function activity(conversation: unknown): number {
  const active = isFields(conversation) ? conversation["active"] : undefined;
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
        const [me, other] = [loginKey(String(key[0])), loginKey(String(key[1]))];
        const id = key[3] as string;
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
