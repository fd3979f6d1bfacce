import { phrase } from "../words.js";
import { type Conversation, type Delivery, type Entry, type KeptConversation, furthest, textLength } from "./conversation.js";
import type { Database, Transaction } from "./database.js";
import { type ExportedHistory, type ImportedConversation, ImportRefused, exportEntry, writeDocument } from "./exported.js";
import { type ImportSummary, bringIn } from "./importing.js";
import { placeOf, readConversation, readEntry, writeEntry } from "./records.js";
import { ENTRIES, below } from "./schema.js";

/** How many entries of a conversation are read at once, at most. */
const PAGE_ENTRIES = 200;
/** Reading stops earlier if the entries have this much text, in UTF-16 units. */
const PAGE_TEXT = 1_000_000;
/**
 * How much text is read on Join, in UTF-16 units. The conversations with the newest entries come first. The bound keeps others from
 * filling the memory.
 */
const JOIN_TEXT = 32_000_000;
/** What is to be written, by conversation. `entries` is undefined if nothing new is to be kept of it. */
type Pending = Map<Conversation, { me: string; entries: Set<Entry> | undefined }>;

/** For this long after a failed write, changes are only collected, in ms. */
const RETRY_AFTER = 10_000;
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
  /** Returns all conversations, the one with the newest entry first. What cannot be read is reported, and then nothing is returned or written. */
  load(me: string): Promise<LoadedConversation[]>;
  /** Returns entries that are older than those in the conversation, oldest first, and whether there are more. */
  earlier(me: string, conversation: Conversation): Promise<{ entries: Entry[]; more: boolean }>;
  /** Returns the entries from the oldest one in the conversation on, oldest first, and whether there are older ones. */
  since(me: string, conversation: Conversation): Promise<{ entries: Entry[]; more: boolean }>;
  /** Returns how far the texts that wait here have got, by the id of their letter. Another tab may have sent them. */
  progress(me: string, conversation: Conversation): Promise<Map<number, Delivery>>;
  /** Writes the conversation and these of its entries. A new entry comes after all others. */
  save(me: string, conversation: Conversation, entries: readonly Entry[]): void;
  /** Writes the conversation once it has not changed for a moment. */
  saveSoon(me: string, conversation: Conversation): void;
  /** Deletes the conversation with the login `key`. Rejects if the device fails. */
  delete(me: string, key: string): Promise<void>;
}

/**
 * The history in the browser's database. Writes happen in the order in which they were requested, and those of one task together. What
 * cannot be written waits and is written later. The first of several failures is reported.
 */
export class History implements Keeper {
  /** Whether the browser keeps anything for this page. It is undefined until that is known. */
  keeps: boolean | undefined;
  #pending: Pending = new Map();
  #writing: Promise<void> = Promise.resolve();
  #scheduled = false;
  /** The last write has found no room. */
  #full = false;
  /** When a write failed last, by performance.now(). It is undefined if the last one did not fail. */
  #failedAt: number | undefined;
  /** The last load has failed. What could not be read must not be overwritten. */
  #unread = false;
  /** What was added off the record. It is not written later either. */
  readonly #unrecorded = new WeakSet<Entry>();
  readonly #soon = new Map<Conversation, { me: string; timer: ReturnType<typeof setTimeout> }>();

  constructor(
    private readonly database: Promise<Database | undefined>,
    /** Whether the person wants nothing to be written now. */
    private readonly offTheRecord: () => boolean,
    /** The device has no room. */
    private readonly noRoom: () => void,
    /** What is kept cannot be read, or a change cannot be written. @param asked the person has asked for it */
    private readonly failed: (asked: boolean) => void,
  ) {
    void database.then((found) => (this.keeps = found !== undefined));
  }

  get keeping(): boolean {
    return this.keeps === true && !this.failing && !this.offTheRecord();
  }

  /** Whether the device has no room for what is to be kept. */
  get full(): boolean {
    return this.#full;
  }

  /** Whether the device cannot keep what is to be kept. */
  get failing(): boolean {
    return this.#unread || this.#failedAt !== undefined;
  }

  async load(me: string): Promise<LoadedConversation[]> {
    const database = await this.database;
    if (database === undefined) return [];
    try {
      this.hurry();
      await this.flush();
      const all: { kept: KeptConversation; key: string; seq: number }[] = [];
      for (const record of await database.all("conversations", below(me))) {
        const kept = readConversation(record);
        const key = (record as { key?: unknown } | undefined)?.key;
        if (kept === undefined || typeof key !== "string") continue;
        let seq = 0;
        await database.newest("entries", below(me, key), (entry) => {
          seq = placeOf(entry) ?? 0;
          return false;
        });
        all.push({ kept, key, seq });
      }
      const found: LoadedConversation[] = [];
      let room = JOIN_TEXT;
      for (const { kept, key } of all.sort((a, b) => b.seq - a.seq)) {
        const page = room > 0 ? await this.#page(database, below(me, key)) : { entries: [], more: true };
        for (const entry of page.entries) room -= textLength(entry);
        found.push({ kept, ...page });
      }
      if (this.#unread) {
        // What was added meanwhile is written first, and read with the rest. Otherwise it would go from the page.
        this.#unread = false;
        await this.flush();
        if (!this.failing) return await this.load(me);
      }
      return found;
    } catch {
      this.#unread = true;
      this.failed(false);
      return [];
    }
  }

  async earlier(me: string, conversation: Conversation): Promise<{ entries: Entry[]; more: boolean }> {
    const database = await this.database;
    if (database === undefined) return { entries: [], more: false };
    await this.flush();
    try {
      const key = [me, conversation.key];
      const oldest = await this.#oldest(database, me, conversation);
      const page = await this.#page(database, oldest === undefined ? below(...key) : IDBKeyRange.bound(key, [...key, oldest], false, true));
      // An import in another tab may have put some of those that are here before others.
      const here = new Set(conversation.entries.map(({ id }) => id));
      return { ...page, entries: page.entries.filter(({ id }) => !here.has(id)) };
    } catch {
      this.failed(true);
      return { entries: [], more: true };
    }
  }

  async since(me: string, conversation: Conversation): Promise<{ entries: Entry[]; more: boolean }> {
    const database = await this.database;
    if (database === undefined) return { entries: [], more: false };
    await this.flush();
    const key = [me, conversation.key];
    const oldest = await this.#oldest(database, me, conversation);
    if (oldest === undefined) return this.#page(database, below(...key));
    const entries = (await database.all("entries", IDBKeyRange.bound([...key, oldest], [...key, []]))).map(readEntry);
    let more = false;
    await database.newest("entries", IDBKeyRange.bound(key, [...key, oldest], false, true), () => {
      more = true;
      return false;
    });
    return { entries: entries.filter((entry) => entry !== undefined), more };
  }

  /** The place of the oldest entry in the conversation that the device has. It is undefined if there is none. */
  async #oldest(database: Database, me: string, conversation: Conversation): Promise<number | undefined> {
    for (const { id } of conversation.entries) {
      const seq = placeOf(await database.entry(me, conversation.key, id));
      if (seq !== undefined) return seq;
    }
    return undefined;
  }

  async progress(me: string, conversation: Conversation): Promise<Map<number, Delivery>> {
    const found = new Map<number, Delivery>();
    const database = await this.database;
    if (database === undefined) return found;
    await this.flush();
    for (const entry of conversation.entries) {
      if (entry.kind !== "own" || entry.delivery !== "sending" || entry.letter === 0) continue;
      const there = readEntry(await database.entry(me, conversation.key, entry.id));
      if (there?.kind === "own") found.set(entry.letter, there.delivery);
    }
    return found;
  }

  save(me: string, conversation: Conversation, entries: readonly Entry[]): void {
    this.#forgetSoon(conversation);
    if (this.keeps === false) return;
    let pending = this.#pending.get(conversation);
    if (pending === undefined) this.#pending.set(conversation, (pending = { me, entries: undefined }));
    const offTheRecord = this.offTheRecord();
    if (!offTheRecord) pending.entries ??= new Set();
    for (const entry of entries) {
      if (offTheRecord) this.#unrecorded.add(entry);
      else if (!this.#unrecorded.has(entry)) pending.entries!.add(entry);
    }
    if (this.#failedAt === undefined || performance.now() - this.#failedAt >= RETRY_AFTER) this.#writeSoon();
  }

  #writeSoon(): void {
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
    // What could not be written must not be written behind the deletion.
    for (const [conversation, pending] of this.#pending) if (conversation.key === key && pending.me === me) this.#pending.delete(conversation);
    await database?.change([
      { store: "conversations", delete: [me, key] },
      { store: "entries", delete: below(me, key) },
    ]);
  }

  /** Writes what waits. Resolves when it is written. */
  flush(): Promise<void> {
    this.#scheduled = false;
    if (this.#unread) return this.#writing;
    const pending = this.#pending;
    this.#pending = new Map();
    if (pending.size > 0) {
      this.#writing = this.#writing.then(async () => {
        try {
          const kept = await (await this.database)?.write(["conversations", "entries", "sequence"], async (transaction) => {
            const written = [];
            for (const [conversation, { me, entries }] of pending) written.push(await write(transaction, me, conversation, entries));
            return written;
          });
          [...pending].forEach(([conversation, { entries }], i) => {
            // Off the record the draft stays in this page, and less of it is kept.
            if (entries !== undefined && kept?.[i] !== undefined) conversation.wasKept(kept[i]);
          });
          this.#failedAt = undefined;
          this.#full = false;
        } catch (error) {
          this.#putBack(pending);
          const again = this.#failedAt !== undefined;
          this.#failedAt = performance.now();
          this.#full = error instanceof DOMException && error.name === "QuotaExceededError";
          if (again) return;
          if (this.#full) this.noRoom();
          else this.failed(false);
        }
      });
    }
    return this.#writing;
  }

  /** What could not be written waits with what has been added since. */
  #putBack(pending: Pending): void {
    const since = this.#pending;
    this.#pending = pending;
    for (const [conversation, { me, entries }] of since) {
      const before = this.#pending.get(conversation)?.entries;
      this.#pending.set(conversation, { me, entries: before === undefined ? entries : new Set([...before, ...(entries ?? [])]) });
    }
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
    this.#pending.clear();
    await this.#writing;
    this.#pending.clear();
    this.#failedAt = undefined;
    this.#full = false;
    this.#unread = false;
  }

  /** Returns all conversations as the document that Export saves. @throws {DOMException} if the device cannot read them */
  async export(now: Date): Promise<ExportedHistory> {
    const database = await this.database;
    await this.flush();
    const conversations = [];
    for (const [own, other, name] of await this.#keys(database)) {
      const entries = (await database!.all("entries", below(own, other))).map(readEntry);
      conversations.push({
        own,
        other: name,
        entries: entries.map((entry) => entry && exportEntry(entry)).filter((entry) => entry !== undefined),
      });
    }
    return writeDocument(conversations, now);
  }

  /**
   * Adds what a document has and the device has not, all of it or nothing. @throws {ImportRefused} or a DOMException
   * @param counts only says what would be added
   */
  async import(document: readonly ImportedConversation[], counts: boolean): Promise<ImportSummary> {
    const database = await this.database;
    if (database === undefined) throw new ImportRefused(phrase("importNotKept"));
    if (this.offTheRecord()) throw new ImportRefused(phrase("importOffTheRecord"));
    await this.flush();
    return database.write(["conversations", "entries", "sequence"], (transaction) => bringIn(transaction, document, counts));
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

/**
 * Writes a conversation and these of its entries. Returns what is kept of the conversation then.
 * @param entries undefined: nothing new is to be kept of it
 */
async function write(
  transaction: Transaction,
  me: string,
  conversation: Conversation,
  entries: ReadonlySet<Entry> | undefined,
): Promise<KeptConversation | undefined> {
  const { key } = conversation;
  const there = readConversation(await transaction.get("conversations", [me, key]));
  if (entries === undefined && there === undefined) return undefined;
  const kept = entries === undefined ? conversation.keptWithin(there!) : conversation.keptOver(there);
  transaction.put("conversations", [me, key], { ...kept, me, key });
  if (entries !== undefined && entries.size > 0) await writeEntries(transaction, me, key, [...entries]);
  return kept;
}

/** Writes entries of a conversation. One that is there keeps its place. A new one gets the next, after all others of the device. */
async function writeEntries(transaction: Transaction, me: string, key: string, entries: readonly Entry[]): Promise<void> {
  const records = await Promise.all(entries.map(({ id }) => transaction.entry(me, key, id)));
  const before = Number(await transaction.get("sequence", ENTRIES)) || 0;
  let last = before;
  entries.forEach((entry, i) => {
    const there = readEntry(records[i]);
    const record = writeEntry(entry);
    // Another tab may know that the message has got further.
    const delivery = entry.kind === "own" && there?.kind === "own" ? { delivery: furthest(entry.delivery, there.delivery) } : {};
    const seq = placeOf(records[i]) ?? ++last;
    transaction.put("entries", [me, key, seq], { ...record, ...delivery, me, key, seq });
  });
  if (last !== before) transaction.put("sequence", ENTRIES, last);
}
