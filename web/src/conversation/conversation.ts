import type { Transfer, TransferState } from "../files/transfer.js";
import { freshId } from "../signaling/ids.js";
import { loginKey } from "../signaling/logins.js";
import type { Phrase } from "../words.js";
import { Correspondence, type KeptCorrespondence } from "./correspondence.js";
import { merge } from "./merging.js";

/** How far an own message got. `sent` is as far as it gets with a client that confirms nothing. */
export type Delivery = (typeof deliveries)[number];

/** The states of an own message, the furthest last. `undelivered`: it was imported, and had not arrived when it was exported. */
export const deliveries = ["undelivered", "sending", "sent", "delivered", "read"] as const;

/** Returns the state that is further. */
export function furthest(a: Delivery, b: Delivery): Delivery {
  return deliveries.indexOf(a) < deliveries.indexOf(b) ? b : a;
}

/** What is known of a file from an earlier page. Its bytes are gone. */
export interface FileDescription {
  readonly name: string;
  readonly size: number;
  readonly type: string;
  readonly state: TransferState;
  /** Of a received file: its Transfer.key. */
  readonly key?: string;
}

/** One line of a discussion. `time` is when it was added, by the clock of the device. It is only shown: clocks jump. */
export type Entry = { readonly id: string; readonly time: Date } & (
  | { kind: "own"; author: string; text: string; delivery: Delivery; /** Id of its letter; 0 if an earlier page sent it. */ letter: number }
  | { kind: "received"; author: string; text: string }
  | { kind: "note"; phrase: Phrase }
  | { kind: "file"; author: string; own: boolean; file: FileDescription | Transfer }
);

/** How much a conversation holds in memory if the device keeps the rest, by the weight of its entries. */
const MAX_WEIGHT = 64_000_000;
/** How much it holds at most. It comes so far if the device keeps nothing, or if an unfinished file holds older entries in memory. */
const MOST_WEIGHT = 2 * MAX_WEIGHT;

/** How much text an entry has, in UTF-16 units. */
export function textLength(entry: Entry): number {
  return "text" in entry ? entry.text.length : 0;
}

/** What an entry takes in memory, in UTF-16 units. One without a text takes time besides: some changes look at all entries. */
function weight(entry: Entry): number {
  return 1_000 + textLength(entry);
}

export type OwnEntry = Entry & { kind: "own" };

/** What the device keeps of a conversation, besides its entries. */
export interface KeptConversation {
  /** The other's login as it is shown. */
  peer: string;
  draft: string;
  /** Counts the changes of the draft. */
  drafted: number;
  unread: number;
  correspondence: KeptCorrespondence;
}

/**
 * What is remembered of what two logins have said to each other: the discussion, the draft of the next message, and which texts
 * have arrived. It lives until the page is closed or joined under another login, and longer if the device keeps it.
 */
export class Conversation {
  /** The other's login as it is shown. */
  peer: string;
  /** The form of the login under which the conversation is found (signaling/logins.ts). */
  readonly key: string;
  readonly entries: Entry[] = [];
  /** Messages that the person has not seen. */
  unread = 0;
  /** Whether the device keeps entries that are older than those here. */
  hasEarlier = false;
  readonly correspondence: Correspondence;
  /** Instance of the conversation that this one was loaded from. It is undefined for a new conversation. */
  readonly #keptInstance: string | undefined;
  #draft = "";
  #drafted = 0;
  /** What this page has read or written last. What differs from it has changed here since. */
  #before = { drafted: 0, unread: 0 };
  /** What there was here when the page began to write last. What differs from it has changed while that was under way. */
  #offered = { drafted: 0, unread: 0 };
  /** The weight of all entries. */
  #weight = 0;
  /** For each letter that earlier pages could not deliver: the ids it had there, by the id it has now. */
  #renamed: ReadonlyMap<number, ReadonlySet<number>> = new Map();

  /**
   * @param instance names the conversation as it is in this page. A conversation that is deleted and begun again gets another
   *   instance, and counts its texts from 1 again.
   * @param kept what the device keeps of the conversation
   * @param entries the newest of its entries
   */
  constructor(peer: string, instance: string, kept?: KeptConversation, entries: Entry[] = []) {
    this.peer = peer;
    this.key = loginKey(peer);
    this.correspondence = new Correspondence(instance, kept?.correspondence);
    this.#keptInstance = kept?.correspondence.instance;
    if (kept !== undefined) {
      this.wasKept(kept);
      // An entry on the device still has the letter id that the page which wrote it gave it, however long ago.
      const now = this.correspondence.waiting;
      this.#renamed = new Map(kept.correspondence.waiting.map(({ id, was }, index) => [now[index]!.id, new Set([id, ...was.map((one) => one.id)])]));
    }
    this.prepend(entries);
  }

  /** Whether this page wrote what is kept, or loaded this conversation from it. */
  isOf({ correspondence: { instance } }: KeptConversation): boolean {
    return instance === this.correspondence.instance || instance === this.#keptInstance;
  }

  /** Whether the two have exchanged anything. */
  get known(): boolean {
    return this.entries.some(({ kind }) => kind !== "note");
  }

  /** Whether a message has not been delivered yet. */
  get undelivered(): boolean {
    return this.correspondence.waiting.length > 0;
  }

  /** What is typed and not sent yet. */
  get draft(): string {
    return this.#draft;
  }

  set draft(text: string) {
    if (text === this.#draft) return;
    this.#draft = text;
    this.#drafted++;
  }

  /** Counts the changes of the draft, on this device. */
  get drafted(): number {
    return this.#drafted;
  }

  get kept(): KeptConversation {
    const { peer, draft, drafted, unread, correspondence } = this;
    return { peer, draft, drafted, unread, correspondence: correspondence.kept };
  }

  /** What the device should keep in place of `there`. Another tab may have written that: what has not changed here stays as it is there. */
  keptOver(there: KeptConversation | undefined): KeptConversation {
    const typed = this.#drafted !== this.#before.drafted;
    if (there !== undefined && typed && this.#drafted <= there.drafted) this.#drafted = there.drafted + 1;
    this.#offered = { drafted: this.#drafted, unread: this.unread };
    if (there === undefined) return this.kept;
    return {
      peer: this.peer,
      ...(typed ? { draft: this.#draft, drafted: this.#drafted } : { draft: there.draft, drafted: there.drafted }),
      unread: this.unread === this.#before.unread ? there.unread : this.unread,
      correspondence: this.correspondence.keptOver(there.correspondence),
    };
  }

  /**
   * What the device may keep in place of `there` while the person wants nothing new to be kept: less than before. A draft that has
   * changed goes, and so do texts that have arrived.
   */
  keptWithin(there: KeptConversation): KeptConversation {
    const { draft, drafted, unread } = this.keptOver(there);
    return {
      ...there,
      ...(draft === there.draft ? {} : { draft: "", drafted }),
      unread: Math.min(unread, there.unread),
      correspondence: this.correspondence.keptWithin(there.correspondence),
    };
  }

  /** The device keeps this of the conversation now. What another tab has changed, and this page has not, is taken over. */
  wasKept({ draft, drafted, unread }: KeptConversation): void {
    if (this.#drafted === this.#offered.drafted) {
      this.#draft = draft;
      this.#drafted = drafted;
    }
    if (this.unread === this.#offered.unread) this.unread = unread;
    this.#before = { drafted, unread };
  }

  /** Puts entries from the device in front of those that are here. */
  prepend(entries: readonly Entry[]): void {
    // The newest comes first, because it is the likeliest to wait for delivery.
    for (const entry of [...entries].reverse()) {
      if (entry.kind === "own") this.#readdress(entry);
      this.entries.unshift(entry);
      this.#weight += weight(entry);
    }
  }

  /** Takes over entries from the device, in order. Those that are here stay as they are, and so do those that the device does not have. */
  take(entries: readonly Entry[]): void {
    const here = [...this.entries];
    const places = new Map(here.map(({ id }, i) => [id, i]));
    const common = new Map<number, number>();
    entries.forEach(({ id }, i) => places.has(id) && common.set(i, places.get(id)!));
    const all = merge(here, entries, common);
    this.prepend(entries.filter((_, i) => !common.has(i)));
    this.entries.length = 0;
    for (const entry of all) this.entries.push(entry);
  }

  /**
   * Removes the oldest entries while there is too much. Call it only if the device keeps them. A file that is unfinished or
   * whose bytes are here stays, with all entries after it. Returns `bearable`.
   */
  trim(): boolean {
    let gone = 0;
    for (const entry of this.entries) {
      const held = entry.kind === "file" && "direction" in entry.file && (!entry.file.over || entry.file.blob !== undefined);
      if (this.#weight <= MAX_WEIGHT || gone === this.entries.length - 1 || held) break;
      this.#weight -= weight(entry);
      gone++;
    }
    if (gone > 0) {
      this.entries.splice(0, gone);
      this.hasEarlier = true;
    }
    return this.bearable;
  }

  /** Whether there is memory for more. */
  get bearable(): boolean {
    return this.#weight <= MOST_WEIGHT;
  }

  /** Adds an entry at the end. */
  add<E extends Omit<Entry, "id" | "time">>(entry: E): E & Entry {
    const whole = { ...entry, id: freshId(), time: new Date() } as E & Entry;
    this.entries.push(whole);
    this.#weight += weight(whole);
    return whole;
  }

  /** Gives the entry of a file that an earlier page was receiving the transfer that continues it. Returns undefined if there is none. */
  continueFile(file: Transfer): Entry | undefined {
    for (const entry of this.entries) {
      if (entry.kind !== "file" || entry.own || "direction" in entry.file) continue;
      const { key, name, size } = entry.file;
      if (key === undefined || key !== file.key || name !== file.name || size !== file.size) continue;
      entry.file = file;
      return entry;
    }
    return undefined;
  }

  /** Gives the own entries with the letters `ids` a new delivery state. Returns those that it changes. */
  mark(ids: ReadonlySet<number>, delivery: Delivery): OwnEntry[] {
    const marked: OwnEntry[] = [];
    let left = ids.size;
    for (let i = this.entries.length - 1; i >= 0 && left > 0; i--) {
      const entry = this.entries[i]!;
      if (entry.kind !== "own" || !ids.has(entry.letter)) continue;
      left--;
      if (entry.delivery === delivery || entry.delivery === "read") continue;
      entry.delivery = delivery;
      marked.push(entry);
    }
    return marked;
  }

  /** The other person has seen letter `id` and all before it. Returns the entries that this changes. */
  markRead(id: number): OwnEntry[] {
    const marked: OwnEntry[] = [];
    for (let i = this.entries.length - 1; i >= 0; i--) {
      const entry = this.entries[i]!;
      if (entry.kind !== "own" || entry.letter > id) continue;
      if (entry.delivery === "read") break;
      // A message that was not delivered cannot have been read, whatever the other page says.
      if (entry.delivery !== "delivered") continue;
      entry.delivery = "read";
      marked.push(entry);
    }
    return marked;
  }

  /**
   * Gives an own entry from the device the letter that delivers it now. If no letter waits for it, the message has arrived. Of several
   * waiting letters with the same text, each goes to one entry, the one with its old id if possible: ids from many pages ago are
   * forgotten.
   */
  #readdress(entry: OwnEntry): void {
    if (entry.delivery === "sending") {
      const taken = new Set(this.entries.map((other) => (other.kind === "own" ? other.letter : 0)));
      const free = this.correspondence.waiting.filter(({ id, text }) => text === entry.text && !taken.has(id));
      const letter = free.find(({ id }) => id === entry.letter || this.#renamed.get(id)?.has(entry.letter) === true) ?? free[0];
      if (letter === undefined) entry.delivery = "delivered";
      entry.letter = letter?.id ?? 0;
    } else entry.letter = 0;
  }
}
