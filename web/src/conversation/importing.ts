import { isFields } from "../signaling/fields.js";
import { freshId } from "../signaling/ids.js";
import { loginKey } from "../signaling/logins.js";
import type { Transaction } from "./database.js";
import type { ImportedConversation, ImportedEntry } from "./exported.js";
import { inCommon, merge } from "./merging.js";
import { placeOf, readEntry } from "./records.js";
import { ENTRIES, below } from "./schema.js";

/** What an import does, or has done. */
export interface ImportSummary {
  /** The own logins, as loginKey returns them. */
  logins: string[];
  conversations: number;
  /** How many messages and files there are in the document. */
  messages: number;
  /** How many messages and files of the document are not here. */
  added: number;
}

/** How many records are read at once. */
const BATCH = 100;

/** An entry that the device has. */
interface KeptEntry {
  readonly id: string;
  readonly time: Date;
  /** What tells it from others. It is undefined if no entry of the document has its time. */
  readonly name: string | undefined;
}

/**
 * Adds what a document has to what the device has, in a transaction of `conversations`, `entries` and `sequence`. Each conversation is
 * merged by order. What is here stays as it is, and nothing is there twice afterwards.
 * @param counts nothing is written
 */
export async function bringIn(transaction: Transaction, document: readonly ImportedConversation[], counts = false): Promise<ImportSummary> {
  const logins = new Set<string>();
  const summary = { conversations: 0, messages: 0, added: 0 };
  for (const one of joined(document)) {
    logins.add(one.me);
    summary.conversations++;
    summary.messages += one.entries.length;
    summary.added += await bringInOne(transaction, one, counts);
  }
  return { logins: [...logins], ...summary };
}

/** Joins what the document has of one conversation in several places. The spellings of a login may have become one since. */
function joined(document: readonly ImportedConversation[]): Iterable<ImportedConversation> {
  const found = new Map<string, ImportedConversation>();
  for (const one of document) {
    const id = JSON.stringify([one.me, loginKey(one.peer)]);
    const before = found.get(id);
    if (before === undefined) found.set(id, one);
    else found.set(id, { ...before, entries: merge(before.entries, one.entries, inCommon(before.entries.map(nameOf), one.entries.map(nameOf))) });
  }
  return found.values();
}

/** Returns how many entries it adds. */
async function bringInOne(transaction: Transaction, { me, peer, entries }: ImportedConversation, counts: boolean): Promise<number> {
  const key = loginKey(peer);
  const times = new Set(entries.map(({ time }) => time.getTime()));
  const here: KeptEntry[] = [];
  await transaction.each("entries", below(me, key), (record) => {
    const entry = readEntry(record);
    if (entry !== undefined) here.push({ id: entry.id, time: entry.time, name: times.has(entry.time.getTime()) && entry.kind !== "note" ? nameOf(entry) : undefined });
  });
  const common = inCommon(here.map(({ name }) => name), entries.map(nameOf));
  const added = entries.length - common.size;
  if (counts || (added === 0 && here.length > 0)) return added;
  if ((await transaction.get("conversations", [me, key])) === undefined) {
    const correspondence = { instance: freshId(), waiting: [], received: undefined };
    transaction.put("conversations", [me, key], { me, key, peer, draft: "", drafted: 0, unread: 0, correspondence });
  }
  const all = merge<KeptEntry | ImportedEntry>(here, entries, common);
  await number(transaction, me, key, all.slice(all.findIndex((entry) => !("id" in entry))));
  return added;
}

/** Gives entries the next places of the device, in order. What follows a new entry is numbered anew. */
async function number(transaction: Transaction, me: string, key: string, entries: readonly (KeptEntry | ImportedEntry)[]): Promise<void> {
  let last = Number(await transaction.get("sequence", ENTRIES)) || 0;
  for (let i = 0; i < entries.length; i += BATCH) {
    const batch = entries.slice(i, i + BATCH);
    const records = await Promise.all(batch.map((entry) => ("id" in entry ? transaction.entry(me, key, entry.id) : { ...entry, id: freshId() })));
    for (const record of records) {
      const seq = placeOf(record);
      if (seq !== undefined) transaction.delete("entries", [me, key, seq]);
      last++;
      if (isFields(record)) transaction.put("entries", [me, key, last], { ...record, me, key, seq: last });
    }
  }
  transaction.put("sequence", ENTRIES, last);
}

/** What tells an entry from others: nobody says the same twice in one millisecond, except where `inCommon` counts it. */
function nameOf(entry: ImportedEntry): string {
  const time = entry.time.getTime();
  if (entry.kind === "file") return JSON.stringify([time, entry.own, entry.file.name, entry.file.size]);
  return JSON.stringify([time, entry.kind === "own", entry.text]);
}
