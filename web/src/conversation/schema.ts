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
  rekey(transaction.objectStore("contacts"), (contacts) => [...groups(contacts).values()].map(oneContact));
  rekey(transaction.objectStore("conversations"), (conversations) => {
    conversations.sort((a, b) => activity(a.value) - activity(b.value));
    number(transaction, [...conversations.map(({ key }) => below(...key)), undefined]);
    return [...groups(conversations).values()].map(oneConversation);
  });
}

/** A record about two people. */
interface Between {
  key: [me: string, other: string];
  value: unknown;
}

/**
 * Brings the keys of a store to what loginKey returns now. For version 1 a final sigma was no sigma, so that two people may be one now.
 * @param merge returns the records under the keys of now
 */
function rekey(store: IDBObjectStore, merge: (records: Between[]) => Between[]): void {
  const records: Between[] = [];
  store.openCursor().onsuccess = (event) => {
    const cursor = (event.target as IDBRequest<IDBCursorWithValue | null>).result;
    if (cursor !== null) {
      const { key, value } = cursor as { key: unknown; value: unknown };
      if (Array.isArray(key) && key.length === 2 && key.every((login) => typeof login === "string")) records.push({ key: key as Between["key"], value });
      return cursor.continue();
    }
    const merged = merge([...records]);
    for (const { key } of records) store.delete(key);
    for (const { key, value } of merged) store.put(value, key);
  };
}

/** Returns records by their keys of now. Those under one key keep their order. */
function groups(records: readonly Between[]): Map<string, Between[]> {
  const found = new Map<string, Between[]>();
  for (const { key, value } of records) {
    const now: Between["key"] = [loginKey(key[0]), loginKey(key[1])];
    const name = JSON.stringify(now);
    found.set(name, [...(found.get(name) ?? []), { key: now, value }]);
  }
  return found;
}

/** Makes one contact of those that are one person now: the one met last. Where they have several certificates, none of them is verified. */
export function oneContact(records: readonly Between[]): Between {
  const contacts = records.map(({ value }) => value).filter(isFields);
  const last = contacts.reduce<Record<string, unknown> | undefined>((a, b) => (a !== undefined && Number(a["since"]) > Number(b["since"]) ? a : b), undefined);
  const { key } = records[0]!;
  if (last === undefined || contacts.length < 2) return { key, value: records.at(-1)!.value };
  const same = contacts.every(({ fingerprint }) => fingerprint === last["fingerprint"]);
  return { key, value: { ...last, verified: same && contacts.some(({ verified }) => verified === true) } };
}

/** Letters of another instance of a conversation get ids from here on. No instance has counted as far. */
const FOREIGN = 1_000_000_000;

/** Makes one conversation of those that are one now, the last of them with what the others have and it has not. */
export function oneConversation(records: readonly Between[]): Between {
  const { key, value } = records.at(-1)!;
  if (!isFields(value)) return { key, value };
  const [me, other] = key;
  const merged: Record<string, unknown> = { ...value, me, key: other };
  const { correspondence } = value;
  if (records.length === 1 || !isFields(correspondence) || !Array.isArray(correspondence["waiting"])) return { key, value: merged };
  const foreign: object[] = [];
  for (const { value: earlier } of records.slice(0, -1)) {
    if (!isFields(earlier)) continue;
    merged["unread"] = (Number(merged["unread"]) || 0) + (Number(earlier["unread"]) || 0);
    merged["draft"] = [earlier["draft"], merged["draft"]].filter((text) => typeof text === "string" && text !== "").join("\n");
    const theirs = earlier["correspondence"];
    if (!isFields(theirs) || !Array.isArray(theirs["waiting"])) continue;
    for (const letter of theirs["waiting"].filter(isFields)) {
      const was = [...(Array.isArray(letter["was"]) ? (letter["was"] as unknown[]) : []), { instance: theirs["instance"], id: letter["id"] }];
      foreign.push({ ...letter, id: FOREIGN + foreign.length, was });
    }
  }
  // Letters go out in the order of their ids.
  return { key, value: { ...merged, correspondence: { ...correspondence, waiting: [...correspondence["waiting"], ...foreign] } } };
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
