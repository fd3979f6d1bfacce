import type { Call } from "../call/call.js";
import type { Transfer, TransferState } from "../files/transfer.js";
import type { Fingerprints } from "../identity/fingerprints.js";
import { freshId } from "../signaling/ids.js";
import { loginKey } from "../signaling/logins.js";
import type { Phrase } from "../words.js";
import { Correspondence, type KeptCorrespondence } from "./correspondence.js";

/** Where an own message is. `sent`: on its way to a client that confirms nothing. */
export type Delivery = "sending" | "delivered" | "read" | "sent";

/** What is known of a file whose bytes are no longer here. */
export interface FileDescription {
  readonly name: string;
  readonly size: number;
  readonly type: string;
  readonly state: TransferState;
}

/** One line of a discussion. */
export type Entry = { readonly id: string; readonly time: Date } & (
  | { kind: "own"; author: string; text: string; delivery: Delivery; /** 0: of an earlier page. */ letter: number }
  | { kind: "received"; author: string; text: string }
  | { kind: "note"; phrase: Phrase }
  | { kind: "file"; author: string; own: boolean; file: FileDescription | Transfer }
);

/** So much text a conversation has in memory, in UTF-16 units; older entries are on the device only, where it keeps them. */
const MAX_TEXT = 64_000_000;
/** Where it has more, because the device keeps none or something stands before it, no more is taken. */
const MOST_TEXT = 2 * MAX_TEXT;

/** How much text an entry has, in UTF-16 units. */
export function textLength(entry: Entry): number {
  return entry.kind === "own" || entry.kind === "received" ? entry.text.length : 0;
}

export type OwnEntry = Entry & { kind: "own" };

/** Where the connection of a conversation stands. */
export type ConversationPhase = "off" | "asking" | "calling" | "connecting" | "open" | "reconnecting";

/** Who the other end of a call proves to be. */
export interface Trust {
  fingerprints: Fingerprints;
  /** The person has compared the safety number. */
  verified: boolean;
  /** It is not who it was before: nothing is sent until the person has decided. */
  changed: boolean;
  /** … and had been verified before. */
  wasVerified: boolean;
  /** The other keeps its identity: there is something to verify. */
  lasting: boolean;
}

/** What of a conversation outlasts the page, but for its entries. */
export interface KeptConversation {
  /** The other's login as it is shown. */
  peer: string;
  draft: string;
  unread: number;
  /** When something last happened in it. */
  active: Date;
  correspondence: KeptCorrespondence;
}

/**
 * What two logins have to do with each other: the discussion, what is about to be said in it, and the call that carries it,
 * if one is on. It lives as long as the page is joined under one login, and longer where the device keeps it.
 */
export class Conversation {
  /** The other's login as it is shown. */
  peer: string;
  /** By which the conversation is found (signaling/logins.ts). */
  readonly key: string;
  readonly entries: Entry[] = [];
  /** Messages that the person has not seen. */
  unread = 0;
  draft = "";
  /** When something last happened in it. */
  active = new Date();
  /** Whether the other types just now. */
  typing = false;
  call: Call | undefined;
  /** Its call was lost, and this page restores it. */
  returning = false;
  /** The other's request waits for an answer. */
  asking = false;
  /** Whether the other is there, as far as the service says; undefined: it does not. */
  online: boolean | undefined;
  /** Who the other proves to be, since the call is open; undefined: none is, or that is not known yet. */
  trust: Trust | undefined;
  /** Older entries are kept on the device than those that are here. */
  hasEarlier = false;
  readonly correspondence: Correspondence;
  /** The instance of the conversation that was kept; undefined: none was. */
  readonly #keptInstance: string | undefined;
  #added = 0;
  /** Of all entries. */
  #text = 0;
  /** What letters that wait since earlier pages were numbered there, by their ids of now. */
  #renamed: ReadonlyMap<number, ReadonlySet<number>> = new Map();

  /**
   * @param instance names the conversation as it is in this page: one that is deleted and begun anew is another one, whose
   *   texts are counted from 1 again
   * @param kept what was kept of it, and its newest entries
   */
  constructor(peer: string, instance: string, kept?: KeptConversation, entries: Entry[] = []) {
    this.peer = peer;
    this.key = loginKey(peer);
    this.correspondence = new Correspondence(instance, kept?.correspondence);
    this.#keptInstance = kept?.correspondence.instance;
    if (kept !== undefined) {
      this.draft = kept.draft;
      this.unread = kept.unread;
      this.active = kept.active;
      // On the device an entry has the number that the page gave it which wrote it, and that may be long ago.
      const now = this.correspondence.waiting;
      this.#renamed = new Map(kept.correspondence.waiting.map(({ id, was }, index) => [now[index]!.id, new Set([id, ...was.map((one) => one.id)])]));
    }
    this.prepend(entries);
  }

  get phase(): ConversationPhase {
    const { call } = this;
    const open = call?.phase === "open";
    if (this.returning && !open) return "reconnecting";
    if (call === undefined || call.phase === "over") return this.asking ? "asking" : "off";
    return open && call.reconnecting ? "reconnecting" : call.phase;
  }

  /** Whether what is kept was written by this page, or is what this one was made of. */
  isOf({ correspondence: { instance } }: KeptConversation): boolean {
    return instance === this.correspondence.instance || instance === this.#keptInstance;
  }

  /** Whether a message still waits to be delivered. */
  get undelivered(): boolean {
    return this.correspondence.waiting.length > 0;
  }

  get kept(): KeptConversation {
    const { peer, draft, unread, active, correspondence } = this;
    return { peer, draft, unread, active, correspondence: correspondence.kept };
  }

  /** Puts entries from the device before those that are here. */
  prepend(entries: readonly Entry[]): void {
    // The newest first: it is the one that most surely waits.
    for (const entry of [...entries].reverse()) {
      if (entry.kind === "own") this.#readdress(entry);
      this.entries.unshift(entry);
      this.#text += textLength(entry);
    }
  }

  /**
   * Lets the oldest entries go where there is too much text, which is kept on the device. Returns whether it is bearable then: a file that is
   * under way or here stays, and all behind it.
   */
  trim(): boolean {
    let gone = 0;
    for (const entry of this.entries) {
      const held = entry.kind === "file" && "direction" in entry.file && (!entry.file.over || entry.file.blob !== undefined);
      if (this.#text <= MAX_TEXT || gone === this.entries.length - 1 || held) break;
      this.#text -= textLength(entry);
      gone++;
    }
    if (gone > 0) {
      this.entries.splice(0, gone);
      this.hasEarlier = true;
    }
    return this.bearable;
  }

  /** Whether there is memory for what the other has sent. */
  get bearable(): boolean {
    return this.#text <= MOST_TEXT;
  }

  /** Adds an entry at the end. */
  add<E extends Omit<Entry, "id" | "time">>(entry: E): E & Entry {
    // In order, also of what comes within one millisecond.
    const id = String(this.#added++).padStart(8, "0") + freshId();
    const whole = { ...entry, id, time: new Date() } as E & Entry;
    this.entries.push(whole);
    this.#text += textLength(whole);
    this.active = whole.time;
    return whole;
  }

  /** Own entries whose texts `ids` have been delivered get a new state; returns those that had another one. */
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

  /** The other has seen text `id` and all before it; returns the entries that this is news of. */
  markRead(id: number): OwnEntry[] {
    const marked: OwnEntry[] = [];
    for (let i = this.entries.length - 1; i >= 0; i--) {
      const entry = this.entries[i]!;
      if (entry.kind !== "own" || entry.letter > id) continue;
      if (entry.delivery === "read") break;
      // What has not been delivered has not been read either, whatever the other page says.
      if (entry.delivery !== "delivered") continue;
      entry.delivery = "read";
      marked.push(entry);
    }
    return marked;
  }

  /**
   * An own entry that comes from the device belongs to the letter that waits, under its id of now; where none does, it has arrived. Of
   * letters with the same text each is one entry's, the one with its number if there is one: what was numbered very long ago is forgotten.
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
