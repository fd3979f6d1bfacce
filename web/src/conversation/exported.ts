/** The JSON document that Export saves and Import reads. */

import { MAX_NAME_LENGTH } from "../files/frames.js";
import { overStates } from "../files/transfer.js";
import { type Fields, isFields } from "../signaling/fields.js";
import { MAX_LOGIN_LENGTH, loginKey } from "../signaling/logins.js";
import { type Phrase, phrase } from "../words.js";
import { type Delivery, type Entry, deliveries } from "./conversation.js";

const FORMAT = "p2p-messaging-history/1";
/** A file of this page, whatever the version of its format. */
const ANY_FORMAT = /^p2p-messaging-history\/\d+$/u;

/** Largest file that is read, in bytes. */
const MAX_BYTES = 256 * 1024 * 1024;
/** How many values a file may have: strings, numbers, lists and so on. An entry has 6 to 9. Empty lists need much more memory than room in the file. */
const MAX_VALUES = 10_000_000;
const MAX_CONVERSATIONS = 10_000;
/** Longest text, in UTF-16 units. A page sends at most as many bytes (call/framing.ts). */
const MAX_TEXT_LENGTH = 16 * 1024 * 1024;
/** The years that the clock of a device may show. */
const FIRST_TIME = Date.UTC(1970, 0);
const LAST_TIME = Date.UTC(2200, 0);
/** Characters that no login has: controls, line separators, halves of characters, and marks that change the direction of writing. */
const UNFIT = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u;

/**
 * The document. It has the texts, and what is known of files, but not their bytes. It has no identities and no verifications: another
 * browser must not trust them because a file says so.
 */
export interface ExportedHistory {
  format: typeof FORMAT;
  /** RFC 3339. */
  exported: string;
  conversations: {
    /** The own login as loginKey returns it. */
    own: string;
    /** The other's login as it is shown. */
    other: string;
    /** Oldest first, in the order in which they arrived. Their times may be in another one. */
    entries: object[];
  }[];
}

type WithoutId<E> = E extends Entry ? Omit<E, "id"> : never;

/** An entry of the document. It gets an id when it is added. */
export type ImportedEntry = WithoutId<Exclude<Entry, { kind: "note" }>>;

/** What a document has of a conversation. */
export interface ImportedConversation {
  /** The own login as loginKey returns it. */
  me: string;
  peer: string;
  /** In the order of the document. */
  entries: ImportedEntry[];
}

/** A file cannot be imported. */
export class ImportRefused extends Error {
  override readonly name = "ImportRefused";

  /** @param said why, for people */
  constructor(readonly said: Phrase) {
    super(said.key);
  }
}

export function writeDocument(conversations: ExportedHistory["conversations"], now: Date): ExportedHistory {
  return { format: FORMAT, exported: now.toISOString(), conversations };
}

/** Returns an entry as the document has it. It has no notes. */
export function exportEntry(entry: Entry): object | undefined {
  const time = entry.time.toISOString();
  switch (entry.kind) {
    case "own":
      return { time, author: entry.author, own: true, text: entry.text, delivery: entry.delivery };
    case "received":
      return { time, author: entry.author, own: false, text: entry.text };
    case "file": {
      const { name, size, type, state } = entry.file;
      return { time, author: entry.author, own: entry.own, file: { name, size, type, state } };
    }
    case "note":
      return undefined;
  }
}

/** Reads a document. Nothing in it is trusted. @throws {ImportRefused} if it is not what Export saves */
export async function readDocument(file: Blob): Promise<ImportedConversation[]> {
  if (file.size > MAX_BYTES) throw new ImportRefused(phrase("importTooLarge"));
  let text = "";
  let document: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
    if (countValues(text) > MAX_VALUES) throw new ImportRefused(phrase("importTooLarge"));
    document = JSON.parse(text);
  } catch (error) {
    if (error instanceof ImportRefused) throw error;
    throw new ImportRefused(text.slice(0, 100).includes("p2p-messaging-history/") ? phrase("importIncomplete") : phrase("importForeign"));
  }
  const format = isFields(document) && document["format"];
  if (typeof format !== "string" || !ANY_FORMAT.test(format)) throw new ImportRefused(phrase("importForeign"));
  if (format !== FORMAT) throw new ImportRefused(phrase("importTooNew"));
  const conversations = (document as Fields)["conversations"];
  if (!Array.isArray(conversations)) throw damaged("conversations");
  if (conversations.length > MAX_CONVERSATIONS) throw new ImportRefused(phrase("importTooLarge"));
  return conversations.map((conversation: unknown, i) => readConversation(conversation, `conversations[${i}]`));
}

/** Counts the lists, the objects and the commas of a JSON text, which are about as many as its values. */
function countValues(text: string): number {
  let values = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (quoted) {
      if (unit === 0x5c) i++; // \
      else quoted = unit !== 0x22; // "
    } else if (unit === 0x22) quoted = true;
    else if (unit === 0x2c || unit === 0x5b || unit === 0x7b) values++; // , [ {
  }
  return values;
}

function damaged(where: string): ImportRefused {
  return new ImportRefused(phrase("importDamaged", where));
}

function readConversation(value: unknown, where: string): ImportedConversation {
  if (!isFields(value)) throw damaged(where);
  const own = readLogin(value["own"], `${where}.own`);
  const peer = readLogin(value["other"], `${where}.other`);
  const me = loginKey(own);
  const key = loginKey(peer);
  if (me === key) throw damaged(`${where}.other`);
  const entries = value["entries"];
  if (!Array.isArray(entries)) throw damaged(`${where}.entries`);
  return { me, peer, entries: entries.map((entry: unknown, i) => readEntry(entry, me, key, `${where}.entries[${i}]`)) };
}

function readLogin(value: unknown, where: string): string {
  if (typeof value !== "string" || value.length > MAX_LOGIN_LENGTH || UNFIT.test(value) || loginKey(value) === "") throw damaged(where);
  return value;
}

function readEntry(value: unknown, me: string, other: string, where: string): ImportedEntry {
  if (!isFields(value)) throw damaged(where);
  const time = readTime(value["time"], `${where}.time`);
  const own = value["own"];
  if (typeof own !== "boolean") throw damaged(`${where}.own`);
  const author = readLogin(value["author"], `${where}.author`);
  if (loginKey(author) !== (own ? me : other)) throw damaged(`${where}.author`);
  if (value["file"] !== undefined) return { kind: "file", time, author, own, file: readFile(value["file"], `${where}.file`) };
  const text = value["text"];
  if (typeof text !== "string" || text.length > MAX_TEXT_LENGTH) throw damaged(`${where}.text`);
  if (!own) return { kind: "received", time, author, text };
  const delivery = deliveries.find((one) => one === value["delivery"]);
  if (delivery === undefined) throw damaged(`${where}.delivery`);
  return { kind: "own", time, author, text, delivery: imported(delivery), letter: 0 };
}

/** What was on its way does not go out from this browser too. */
function imported(delivery: Delivery): Delivery {
  return delivery === "sending" ? "undelivered" : delivery;
}

function readTime(value: unknown, where: string): Date {
  const time = typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/u.test(value) ? Date.parse(value) : NaN;
  if (!(time >= FIRST_TIME && time < LAST_TIME)) throw damaged(where);
  const date = new Date(time);
  // Some browsers take February 31 for March 3.
  if (!(value as string).startsWith(date.toISOString().slice(0, 10))) throw damaged(where);
  return date;
}

function readFile(value: unknown, where: string): (ImportedEntry & { kind: "file" })["file"] {
  if (!isFields(value)) throw damaged(where);
  const { name, size, type } = value;
  const state = overStates.find((one) => one === value["state"]);
  if (typeof name !== "string" || name.length > MAX_NAME_LENGTH) throw damaged(`${where}.name`);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) throw damaged(`${where}.size`);
  if (typeof type !== "string" || type.length > MAX_NAME_LENGTH) throw damaged(`${where}.type`);
  if (state === undefined) throw damaged(`${where}.state`);
  return { name, size, type, state };
}
