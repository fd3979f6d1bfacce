import { overStates } from "../files/transfer.js";
import { isFields } from "../signaling/fields.js";
import type { Phrase } from "../words.js";
import { type Conversation, type Entry, type KeptConversation, textLength } from "./conversation.js";
import { type KeptCorrespondence, MAX_INSTANCE } from "./correspondence.js";
import { type Change, type Database, below } from "./database.js";

/** How many entries of a conversation are read at once, at most. */
const PAGE_ENTRIES = 200;
/** Reading stops earlier if the entries have this much text, in UTF-16 units. */
const PAGE_TEXT = 1_000_000;
/**
 * How much text is read on Join, in UTF-16 units. The conversations with the newest entries come first. The bound keeps others from
 * filling the memory.
 */
const JOIN_TEXT = 32_000_000;
/** How long a draft stays unchanged before it is written, in ms. */
const DRAFT_DELAY = 500;

/** A conversation as the device keeps it, with its newest entries. */
export interface LoadedConversation {
  kept: KeptConversation;
  /** Oldest first. */
  entries: Entry[];
  /** Whether there are older entries. */
  more: boolean;
}

/** Keeps conversations on the device. `me` is the own login as loginKey returns it. */
export interface Keeper {
  /** Whether changes are written now. */
  readonly keeping: boolean;
  /** Returns all conversations. What cannot be read is reported, and then nothing is returned or written. */
  load(me: string): Promise<LoadedConversation[]>;
  /** Returns entries that are older than those in the conversation, oldest first, and whether there are more. */
  earlier(me: string, conversation: Conversation): Promise<{ entries: Entry[]; more: boolean }>;
  /** Writes the conversation and these of its entries. */
  save(me: string, conversation: Conversation, entries: readonly Entry[]): void;
  /** Writes the conversation once it has not changed for a moment. */
  saveSoon(me: string, conversation: Conversation): void;
  /** Deletes the conversation with the login `key`. Rejects if the device fails. */
  delete(me: string, key: string): Promise<void>;
}

/** The JSON document that Export saves. */
export interface ExportedHistory {
  format: "p2p-messaging-history/1";
  /** RFC 3339. */
  exported: string;
  conversations: {
    own: string;
    other: string;
    entries: unknown[];
  }[];
}

/**
 * The history in the browser's database. Writes happen in the order in which they were requested, and those of one task together. A
 * failure is reported once. After that nothing more is written, and what is there stays readable.
 */
export class History implements Keeper {
  #pending: Change[] = [];
  #writing: Promise<void> = Promise.resolve();
  #scheduled = false;
  #full = false;
  readonly #soon = new Map<Conversation, { me: string; timer: ReturnType<typeof setTimeout> }>();

  constructor(
    private readonly database: Promise<Database | undefined>,
    /** Whether the person wants nothing to be written now. */
    private readonly offTheRecord: () => boolean,
    /** The device has no room. */
    private readonly full: () => void,
    /** What is kept cannot be read, or a change cannot be written. */
    private readonly failed: () => void,
  ) {
    void database.then((found) => (this.#available = found !== undefined));
  }

  #available = false;

  get keeping(): boolean {
    return this.#available && !this.#full && !this.offTheRecord();
  }

  async load(me: string): Promise<LoadedConversation[]> {
    const database = await this.database;
    if (database === undefined) return [];
    try {
      await this.flush();
      const all: { kept: KeptConversation; key: string }[] = [];
      for (const record of await database.all("conversations", below(me))) {
        const kept = readConversation(record);
        const key = (record as { key?: unknown } | undefined)?.key;
        if (kept !== undefined && typeof key === "string") all.push({ kept, key });
      }
      const found: LoadedConversation[] = [];
      let room = JOIN_TEXT;
      for (const { kept, key } of all.sort((a, b) => b.kept.active.getTime() - a.kept.active.getTime())) {
        const page = room > 0 ? await this.#page(database, below(me, key)) : { entries: [], more: true };
        for (const entry of page.entries) room -= textLength(entry);
        found.push({ kept, ...page });
      }
      return found;
    } catch {
      // What cannot be read now must not be overwritten.
      this.#available = false;
      this.failed();
      return [];
    }
  }

  async earlier(me: string, conversation: Conversation): Promise<{ entries: Entry[]; more: boolean }> {
    const database = await this.database;
    const oldest = conversation.entries[0];
    if (database === undefined) return { entries: [], more: false };
    const key = [me, conversation.key];
    await this.flush();
    try {
      const before = oldest === undefined ? below(...key) : IDBKeyRange.bound(key, [...key, oldest.time.getTime(), oldest.id], false, true);
      return await this.#page(database, before);
    } catch {
      this.failed();
      return { entries: [], more: true };
    }
  }

  save(me: string, conversation: Conversation, entries: readonly Entry[]): void {
    this.#forgetSoon(conversation);
    if (!this.keeping) return;
    const key = [me, conversation.key];
    this.#pending.push({ store: "conversations", key, value: { ...conversation.kept, me, key: conversation.key } });
    for (const entry of entries) {
      this.#pending.push({ store: "entries", key: [...key, entry.time.getTime(), entry.id], value: writeEntry(entry) });
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => void this.flush());
  }

  saveSoon(me: string, conversation: Conversation): void {
    this.#forgetSoon(conversation);
    const timer = setTimeout(() => this.save(me, conversation, []), DRAFT_DELAY);
    this.#soon.set(conversation, { me, timer });
  }

  async delete(me: string, key: string): Promise<void> {
    const database = await this.database;
    for (const conversation of this.#soon.keys()) if (conversation.key === key) this.#forgetSoon(conversation);
    await this.flush();
    await database?.change([
      { store: "conversations", delete: [me, key] },
      { store: "entries", delete: below(me, key) },
    ]);
  }

  /** Writes what waits. Resolves when it is written. */
  flush(): Promise<void> {
    this.#scheduled = false;
    const changes = newest(this.#pending);
    this.#pending = [];
    if (changes.length > 0) {
      this.#writing = this.#writing.then(async () => {
        try {
          await (await this.database)?.change(changes);
        } catch (error) {
          if (this.#full) return;
          this.#full = true;
          if (error instanceof DOMException && error.name === "QuotaExceededError") this.full();
          else this.failed();
        }
      });
    }
    return this.#writing;
  }

  /** Writes now what was to be written soon, because the page is going away. */
  hurry(): void {
    for (const [conversation, { me }] of [...this.#soon]) this.save(me, conversation, []);
    void this.flush();
  }

  /**
   * Forgets what still waits to be written, so that the caller can delete everything. Resolves when the write under way has ended;
   * no other follows. After a failure, writing starts again.
   */
  async drop(): Promise<void> {
    for (const conversation of [...this.#soon.keys()]) this.#forgetSoon(conversation);
    this.#pending = [];
    await this.#writing;
    this.#full = false;
    this.#available = (await this.database) !== undefined;
  }

  /** Returns all conversations as the document that Export saves. @throws {DOMException} if the device cannot read them */
  async export(now: Date): Promise<ExportedHistory> {
    const database = await this.database;
    await this.flush();
    const conversations = [];
    for (const [own, other, name] of await this.#keys(database)) {
      const entries = await database!.all("entries", below(own, other));
      conversations.push({ own, other: name, entries: entries.map(exportEntry).filter((entry) => entry !== undefined) });
    }
    return { format: "p2p-messaging-history/1", exported: now.toISOString(), conversations };
  }

  async #keys(database: Database | undefined): Promise<[string, string, string][]> {
    const found: [string, string, string][] = [];
    for (const record of (await database?.all("conversations")) ?? []) {
      const { me, key, peer } = (record ?? {}) as Record<string, unknown>;
      if (typeof me === "string" && typeof key === "string" && typeof peer === "string") found.push([me, key, peer]);
    }
    return found;
  }

  async #page(database: Database, range: IDBKeyRange): Promise<{ entries: Entry[]; more: boolean }> {
    const entries: Entry[] = [];
    let read = 0;
    let text = 0;
    let more = false;
    await database.newest("entries", range, (record) => {
      more = read === PAGE_ENTRIES || text >= PAGE_TEXT;
      if (more) return false;
      const entry = readEntry(record);
      read++;
      if (entry === undefined) return true;
      entries.push(entry);
      text += textLength(entry);
      return true;
    });
    return { entries: entries.reverse(), more };
  }

  #forgetSoon(conversation: Conversation): void {
    clearTimeout(this.#soon.get(conversation)?.timer);
    this.#soon.delete(conversation);
  }
}

/** Keeps the last of several changes of one record, in its place. */
function newest(changes: readonly Change[]): Change[] {
  const last = new Map<string, Change>();
  for (const change of changes) {
    const name = JSON.stringify([change.store, "key" in change ? change.key : ""]);
    last.delete(name);
    last.set(name, change);
  }
  return [...last.values()];
}

function writeEntry(entry: Entry): unknown {
  if (entry.kind !== "file") return { ...entry };
  const { name, size, type, state, key } = entry.file;
  return { ...entry, file: { name, size, type, state, key } };
}

/** Reads an entry. Returns undefined for anything else, such as an entry of a later version. */
export function readEntry(value: unknown): Entry | undefined {
  if (!isFields(value) || typeof value["id"] !== "string" || !(value["time"] instanceof Date)) return undefined;
  const { id, time, author, text } = value;
  const whole = { id, time };
  switch (value["kind"]) {
    case "own": {
      const delivery = (["sending", "delivered", "read", "sent"] as const).find((one) => one === value["delivery"]);
      if (typeof author !== "string" || typeof text !== "string" || delivery === undefined) return undefined;
      return { ...whole, kind: "own", author, text, delivery, letter: Number(value["letter"]) || 0 };
    }
    case "received":
      if (typeof author !== "string" || typeof text !== "string") return undefined;
      return { ...whole, kind: "received", author, text };
    case "note": {
      const said = value["phrase"];
      if (!isFields(said) || typeof said["key"] !== "string" || !Array.isArray(said["args"])) return undefined;
      return { ...whole, kind: "note", phrase: { key: said["key"], args: said["args"].map(String) } as Phrase };
    }
    case "file": {
      const file = value["file"];
      if (!isFields(file) || typeof author !== "string" || typeof file["name"] !== "string") return undefined;
      const over = overStates.find((state) => state === file["state"]);
      const description = { name: file["name"], size: Number(file["size"]) || 0, type: String(file["type"]), state: over ?? "failed" } as const;
      const key = typeof file["key"] === "string" ? { key: file["key"] } : {};
      return { ...whole, kind: "file", author, own: value["own"] === true, file: { ...description, ...key } };
    }
    default:
      return undefined;
  }
}

/** Reads a conversation. Returns undefined for anything else, such as a conversation of a later version. */
export function readConversation(value: unknown): KeptConversation | undefined {
  if (!isFields(value) || typeof value["peer"] !== "string") return undefined;
  const correspondence = readCorrespondence(value["correspondence"]);
  if (correspondence === undefined) return undefined;
  return {
    peer: value["peer"],
    draft: typeof value["draft"] === "string" ? value["draft"] : "",
    unread: Math.max(0, Math.trunc(Number(value["unread"]) || 0)),
    active: value["active"] instanceof Date ? value["active"] : new Date(0),
    correspondence,
  };
}

function readCorrespondence(value: unknown): KeptCorrespondence | undefined {
  if (!isFields(value) || typeof value["instance"] !== "string" || !Array.isArray(value["waiting"])) return undefined;
  const received = readReceived(value["received"]);
  const waiting = [];
  for (const letter of value["waiting"]) {
    if (!isFields(letter) || typeof letter["id"] !== "number" || typeof letter["text"] !== "string") return undefined;
    const was = Array.isArray(letter["was"]) ? letter["was"].map(readReceived).filter((one) => one !== undefined) : [];
    waiting.push({ id: letter["id"], text: letter["text"], was });
  }
  return { instance: value["instance"], waiting, received };
}

function readReceived(value: unknown): { instance: string; id: number } | undefined {
  if (!isFields(value) || typeof value["instance"] !== "string" || typeof value["id"] !== "number") return undefined;
  if (value["instance"].length > MAX_INSTANCE) return undefined; // Earlier versions accepted longer ones.
  return { instance: value["instance"], id: value["id"] };
}

function exportEntry(value: unknown): unknown {
  const entry = readEntry(value);
  if (entry === undefined) return undefined;
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
