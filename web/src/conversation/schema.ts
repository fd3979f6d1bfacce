/** What the page's database has in it, and how a database of an earlier version becomes one of this version. */

import { isFields } from "../signaling/fields.js";
import { loginKey } from "../signaling/logins.js";
import { type Received, adopted } from "./correspondence.js";

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
  rekey(transaction.objectStore("contacts"), (contacts) => groups(contacts).map(oneContact));
  rekey(transaction.objectStore("conversations"), (conversations) => {
    const found = groups(conversations.sort((a, b) => activity(a.value) - activity(b.value)));
    // What belongs to no conversation comes last.
    number(transaction, [...found.map((records) => records.map(({ key }) => below(...key))), [undefined]]);
    return found.map(oneConversation);
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

/** Groups records by their keys of now. Those of a group keep their order, and a group is where the last of them is. */
export function groups(records: readonly Between[]): Between[][] {
  const found = new Map<string, Between[]>();
  for (const record of records) {
    const name = JSON.stringify(keyNow(record.key));
    const group = found.get(name) ?? [];
    found.delete(name);
    found.set(name, [...group, record]);
  }
  return [...found.values()];
}

function keyNow([me, other]: Between["key"]): Between["key"] {
  return [loginKey(me), loginKey(other)];
}

/** Makes one contact of those that are one person now: the one met last. Where they have several certificates, none of them is verified. */
export function oneContact(records: readonly Between[]): Between {
  const contacts = records.map(({ value }) => value).filter(isFields);
  const last = contacts.reduce<Record<string, unknown> | undefined>((a, b) => (a !== undefined && Number(a["since"]) > Number(b["since"]) ? a : b), undefined);
  const key = keyNow(records[0]!.key);
  if (last === undefined || contacts.length < 2) return { key, value: records.at(-1)!.value };
  const same = contacts.every(({ fingerprint }) => fingerprint === last["fingerprint"]);
  return { key, value: { ...last, verified: same && contacts.some(({ verified }) => verified === true) } };
}

/** Makes one conversation of those that are one now, the last of them with what the others have and it has not. */
export function oneConversation(records: readonly Between[]): Between {
  const { key: before, value } = records.at(-1)!;
  const key = keyNow(before);
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
    for (const { id, text, was } of theirs["waiting"].filter(isFields)) {
      if (typeof id !== "number" || typeof text !== "string") continue;
      foreign.push(adopted(String(theirs["instance"]), { id, text, was: Array.isArray(was) ? (was as Received[]) : [] }));
    }
  }
  return { key, value: { ...merged, correspondence: { ...correspondence, waiting: [...correspondence["waiting"], ...foreign] } } };
}

/** Version 1 kept when the newest entry of a conversation was added. */
function activity(conversation: unknown): number {
  const active = isFields(conversation) ? conversation["active"] : undefined;
  return active instanceof Date ? active.getTime() || 0 : 0;
}

/** The key of an entry in version 1. */
type TimedKey = [me: string, other: string, time: number, id: string];

/**
 * Puts the keys of entries of version 1 in the order of their times, and leaves out others. Those of each conversation keep their order,
 * which is the one in which version 1 showed them.
 * @param keys those of one conversation after those of another
 */
export function inOrderOfTime(keys: readonly unknown[]): TimedKey[] {
  return keys.filter((key): key is TimedKey => Array.isArray(key) && key.length === 4).sort(([, , a], [, , b]) => a - b);
}

/**
 * Numbers the entries of version 1.
 * @param groups the ranges of the keys that are numbered first, next and so on. undefined: all that are left
 */
function number(transaction: IDBTransaction, groups: readonly (readonly (IDBKeyRange | undefined)[])[]): void {
  const entries = transaction.objectStore("entries");
  let last = 0;
  const numberGroup = (index: number): void => {
    const ranges = groups[index];
    if (ranges === undefined) return void transaction.objectStore("sequence").put(last, ENTRIES);
    let keys: unknown[] = [];
    ranges.forEach((range, i) => {
      const request = entries.getAllKeys(range);
      request.onsuccess = () => {
        keys = keys.concat(request.result);
        if (i === ranges.length - 1) numberEach(inOrderOfTime(keys).values(), index);
      };
    });
  };
  const numberEach = (keys: Iterator<TimedKey>, index: number): void => {
    const { value: key, done } = keys.next() as IteratorResult<TimedKey, undefined>;
    if (done === true) return numberGroup(index + 1);
    const request = entries.get(key);
    request.onsuccess = () => {
      const value: unknown = request.result;
      if (isFields(value)) {
        const [me, other] = keyNow([key[0], key[1]]);
        entries.delete(key);
        entries.put({ ...value, id: key[3], me, key: other, seq: ++last }, [me, other, last]);
      }
      numberEach(keys, index);
    };
  };
  numberGroup(0);
}

/** The range of keys that begin with these logins. */
export function below(...logins: string[]): IDBKeyRange {
  // An array is greater than every number and string (W3C, Indexed Database API, "compare two keys").
  return IDBKeyRange.bound(logins, [...logins, []]);
}
