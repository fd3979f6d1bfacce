import { hex } from "../signaling/hex.js";
import { SIGNATURE_BYTES, pictureType, safeName } from "./files.js";
import {
  BLOCK_BYTES,
  type CancelReason,
  type DeclineReason,
  FILE_CHUNK_BYTES,
  FrameError,
  type FileMessage,
  MAX_NAME_LENGTH,
  MAX_TYPE_LENGTH,
  WINDOW,
  type WithdrawReason,
  decodeChunk,
  encodeChunk,
} from "./frames.js";
import { digest } from "./hash.js";
import type { Sink, Store } from "./sinks.js";

/** Above this many bytes in the browser's send buffer nothing more is put into it … */
const BUFFER_HIGH = 4 * 1024 * 1024;
/** … until it has sunk to this many; measured best, with messages of 16 KB. */
const BUFFER_LOW = 1024 * 1024;
/** Offers that may wait for a decision at once. */
export const MAX_OFFERS = 32;
/** Files that are over and still known, so that a frame about them that comes late is no fault. */
const MAX_OVER = 1_000;
/** Shortest time between two news of a file's progress, in ms. */
const NEWS_INTERVAL = 250;
/** The speed is that of so long a time, in ms. */
const SPEED_SPAN = 3_000;

/** States in which a file stays. */
export const overStates = ["done", "declined", "cancelled", "failed"] as const;

export type TransferState =
  /** The receiver has not decided yet. */
  | "offered"
  /** It wants the file; others go first. */
  | "accepted"
  | "sending"
  | "receiving"
  /** The connection is gone; it goes on when there is one again. */
  | "paused"
  /** All bytes are on their way or here; whether they are the right ones is being found out. */
  | "verifying"
  | "done"
  | "declined"
  | "cancelled"
  | "failed";

/** Why a transfer is over without the file being there. */
export interface Ending {
  by: "own" | "peer";
  /** `gone`: the other page was loaded afresh. */
  reason: DeclineReason | CancelReason | WithdrawReason | "gone";
  /** Where it was too large: what would have been taken, in bytes. */
  limit?: number;
}

/** The part of RTCDataChannel that files need. */
export interface BulkChannel {
  readonly readyState: string;
  readonly bufferedAmount: number;
  bufferedAmountLowThreshold: number;
  binaryType: BinaryType;
  onopen: ((event: Event) => unknown) | null;
  onclose: ((event: Event) => unknown) | null;
  onbufferedamountlow: ((event: Event) => unknown) | null;
  onmessage: ((event: MessageEvent) => unknown) | null;
  send(data: Uint8Array<ArrayBuffer>): void;
}

/** A connection to the other page, for as long as it lasts. */
export interface FileLink {
  /** Names the other login and its page as loaded. */
  readonly instance: string;
  readonly bulk: BulkChannel;
  /** Sends a control frame. */
  control(message: FileMessage): void;
  /** The other page has sent what cannot be meant. */
  garbled(): void;
}

export interface TransferListener {
  /** The other side offers a file, or offered one that was refused at once. */
  offered(transfer: Transfer): void;
  /** Something about it has changed. Progress alone is told a few times a second at most. */
  changed(transfer: Transfer): void;
  /** What one of the pages takes has changed. */
  limitChanged(): void;
}

/** A file on its way, as people see it. */
export interface Transfer {
  readonly direction: "out" | "in";
  /** Fit to be shown and to be saved under. */
  readonly name: string;
  readonly size: number;
  /** MIME type, as the sender's browser says; it may be empty, and it is not to be trusted. */
  readonly type: string;
  readonly state: TransferState;
  /** How many bytes the receiver has. */
  readonly bytes: number;
  /** Bytes a second, while it runs. */
  readonly speed: number | undefined;
  /** Nothing more happens to it. */
  readonly over: boolean;
  readonly ending: Ending | undefined;
  /** The file: an own one always, a received one when it is done. */
  readonly blob: Blob | undefined;
  /** MIME type of the picture that it is; undefined: it is none, or that is not known yet. */
  readonly picture: string | undefined;
}

/** What is the same for both directions. */
abstract class Moving implements Transfer {
  /** News of its progress that have been put off. */
  later: ReturnType<typeof setTimeout> | undefined;
  abstract readonly direction: "out" | "in";
  abstract readonly blob: Blob | undefined;
  state: TransferState = "offered";
  bytes = 0;
  speed: number | undefined;
  ending: Ending | undefined;
  picture: string | undefined;
  /** SHA-256 of each block that has passed, or is being found out. */
  readonly digests: Promise<Uint8Array>[] = [];
  readonly #samples: { time: number; bytes: number }[] = [];
  #told = -Infinity;

  constructor(
    readonly id: number,
    readonly name: string,
    readonly size: number,
    readonly type: string,
  ) {}

  get over(): boolean {
    return overStates.some((state) => state === this.state);
  }

  /** Bytes have passed. Returns whether that is worth telling. */
  moved(bytes: number, time: number): boolean {
    this.bytes = bytes;
    if (time - this.#told < NEWS_INTERVAL) return false;
    this.#told = time;
    const samples = this.#samples;
    samples.push({ time, bytes });
    while (samples.length > 2 && time - samples[0]!.time > SPEED_SPAN) samples.shift();
    const first = samples[0]!;
    this.speed = time > first.time ? ((bytes - first.bytes) * 1_000) / (time - first.time) : undefined;
    return true;
  }

  /** The SHA-256 of the SHA-256s of all blocks, in hexadecimal. */
  async checksum(): Promise<string> {
    const digests = await Promise.all(this.digests);
    return hex(await digest(Uint8Array.from(digests.flatMap((bytes) => [...bytes]))));
  }

  /** It rests or is over: what was measured of its speed is past. */
  rest(): void {
    clearTimeout(this.later);
    this.later = undefined;
    this.#samples.length = 0;
    this.speed = undefined;
  }
}

class Outgoing extends Moving {
  readonly direction = "out";
  /** The offer is out on this connection. */
  told = false;
  /** Page that it was offered to. */
  instance: string | undefined;
  /** Where the receiver wants it to go on. */
  offset = 0;
  /** How many bytes have gone out on this connection or an earlier one, at most. */
  sent = 0;
  /** Where all has gone out once: what the receiver must find. */
  sha256: string | undefined;

  constructor(
    id: number,
    name: string,
    readonly blob: Blob,
  ) {
    super(id, name, blob.size, blob.type.slice(0, MAX_TYPE_LENGTH));
  }
}

class Incoming extends Moving {
  readonly direction = "in";
  blob: Blob | undefined;
  /** The sender has offered it on this connection. */
  told = false;
  sink: Sink | undefined;
  /** How many bytes have come; `bytes` of them are written down. */
  received = 0;
  /** The first bytes. */
  signature: Uint8Array = new Uint8Array(0);
  /** Bytes that wait for their block to be full. */
  block: Uint8Array<ArrayBuffer> | undefined;
  blockBytes = 0;
  /** Writes, one after the other. */
  writes: Promise<void> = Promise.resolve();
  /** What the sender says the SHA-256 is. */
  expected: string | undefined;
  /** The sender has said on this connection that no more bytes come. */
  complete = false;
}

/**
 * The files between this page and another one: offers, decisions, bytes with back-pressure, checks. One for
 * each conversation; it outlasts the connections, so that a file goes on where it was when one broke.
 * It knows neither the page nor WebRTC.
 */
export class Transfers {
  readonly #outgoing = new Map<number, Outgoing>();
  readonly #incoming = new Map<number, Incoming>();
  /** What files that have come or are under way are in, of earlier pages of the other side too. */
  readonly #sinks = new Set<Sink>();
  /** Page whose files #incoming has. */
  #instance: string | undefined;
  #link: FileLink | undefined;
  #peerLimit: number | undefined;
  #ownLimit = 0;
  /** Incoming files that this side has asked for on this connection. */
  readonly #asked = new Set<number>();
  /** Offers that were refused at once, on this connection. */
  #refused = 0;
  /** The connection on which #ownLimit has been said. */
  #limitTold: FileLink | undefined;
  #lastId = 0;
  #pumping = false;
  #waiting: (() => void)[] = [];

  /**
   * @param store where received files go
   * @param now a clock, in ms
   */
  constructor(
    private readonly store: Store | Promise<Store>,
    private readonly listener: TransferListener,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** The largest file that the other page takes now, in bytes; undefined: it takes none, or nobody is there. */
  get peerLimit(): number | undefined {
    return this.#peerLimit;
  }

  /** The largest file that this page takes, in bytes; 0 as long as nobody is there to send one. */
  get ownLimit(): number {
    return this.#ownLimit;
  }

  /** Whether a file would be cut off if the page were closed now. */
  get active(): boolean {
    const all = [...this.#outgoing.values(), ...this.#incoming.values()];
    return all.some(({ state }) => ["accepted", "sending", "receiving", "verifying"].includes(state));
  }

  /** There is a connection, and its page may have files from this one. */
  attach(link: FileLink): void {
    if (this.#link !== undefined) this.detach(this.#link);
    this.#link = link;
    if (this.#instance !== link.instance) {
      for (const transfer of this.#incoming.values()) {
        if (!transfer.over) this.#end(transfer, "failed", { by: "peer", reason: "gone" });
      }
      this.#incoming.clear();
      this.#instance = link.instance;
    }
    const { bulk } = link;
    bulk.binaryType = "arraybuffer";
    bulk.bufferedAmountLowThreshold = BUFFER_LOW;
    bulk.onopen = () => this.#wake();
    bulk.onbufferedamountlow = () => this.#wake();
    bulk.onclose = () => this.detach(link);
    bulk.onmessage = ({ data }) => {
      if (link !== this.#link) return;
      try {
        this.#bytes(data);
      } catch (error) {
        if (!(error instanceof FrameError)) throw error;
        link.garbled();
      }
    };
    void this.#tellLimit(link);
  }

  /** The connection is gone. */
  detach(link: FileLink): void {
    if (link !== this.#link) return;
    this.#link = undefined;
    this.#peerLimit = undefined;
    this.#asked.clear();
    this.#refused = 0;
    for (const transfer of this.#outgoing.values()) {
      transfer.told = false;
      if (!transfer.over && transfer.state !== "offered") this.#pause(transfer);
    }
    for (const transfer of this.#incoming.values()) {
      transfer.complete = false;
      transfer.told = false;
      // What is all here needs no connection to be checked.
      if (transfer.state === "accepted" || transfer.state === "receiving") this.#pause(transfer);
    }
    this.#wake();
  }

  /**
   * Nothing of this will be needed any more: what has not been finished is given up, what has come is forgotten. Resolves when its
   * bytes are gone.
   */
  async close(): Promise<void> {
    const sinks = [...this.#sinks];
    if (this.#link !== undefined) this.detach(this.#link);
    for (const transfer of [...this.#outgoing.values(), ...this.#incoming.values()]) {
      if (!transfer.over) this.#end(transfer, "cancelled", { by: "own", reason: "person" });
    }
    this.#sinks.clear();
    await Promise.all(sinks.map((sink) => sink.discard()));
  }

  /**
   * Offers a file to the other side. The name is the file's own, or what a picture without one is to be
   * called. Whoever calls this has looked at peerLimit.
   */
  offer(file: Blob, name: string): Transfer {
    const transfer = new Outgoing(++this.#lastId, safeName(name), file);
    this.#outgoing.set(transfer.id, transfer);
    void this.#look(transfer);
    this.#offerWaiting();
    return transfer;
  }

  /** The person wants the file that was offered. */
  accept(transfer: Transfer): void {
    if (!(transfer instanceof Incoming) || transfer.state !== "offered") return;
    this.#set(transfer, "accepted");
    void this.#open(transfer);
  }

  /** The person does not want the file that was offered. */
  decline(transfer: Transfer): void {
    if (!(transfer instanceof Incoming) || transfer.state !== "offered") return;
    this.#link?.control({ file: "decline", id: transfer.id, reason: "person" });
    this.#end(transfer, "declined", { by: "own", reason: "person" });
  }

  /** The person wants a file neither sent nor received any more. */
  cancel(transfer: Transfer): void {
    if (!(transfer instanceof Moving) || transfer.over) return;
    this.#giveUp(transfer, "person");
  }

  /** A control frame has come. @throws {FrameError} where it cannot be meant */
  receive(message: FileMessage): void {
    const link = this.#link;
    if (link === undefined) return;
    switch (message.file) {
      case "limit": {
        const first = this.#peerLimit === undefined;
        this.#peerLimit = message.bytes;
        this.listener.limitChanged();
        if (first) this.#begin(link);
        return;
      }
      case "offer":
        return this.#offered(link, message);
      case "done": {
        const transfer = this.#incoming.get(message.id);
        if (transfer === undefined || !this.#asked.has(message.id)) return;
        transfer.expected = message.sha256;
        void this.#check(transfer);
        return;
      }
      case "withdraw": {
        const transfer = this.#incoming.get(message.id);
        if (transfer === undefined || transfer.over) return;
        const { reason } = message;
        this.#end(transfer, reason === "person" ? "cancelled" : "failed", { by: "peer", reason });
        return;
      }
      case "accept": {
        const transfer = this.#own(message.id);
        if (message.offset > transfer.sent) throw new FrameError("more of a file than was sent");
        if (!transfer.told || (transfer.state !== "offered" && transfer.state !== "paused")) return;
        transfer.offset = message.offset;
        transfer.bytes = message.offset;
        this.#set(transfer, "accepted");
        this.#offerWaiting();
        void this.#pump();
        return;
      }
      case "decline": {
        const transfer = this.#own(message.id);
        if (transfer.state !== "offered" && transfer.state !== "paused") return;
        const { reason } = message;
        const limit = reason === "limit" ? { limit: this.#peerLimit ?? 0 } : {};
        this.#end(transfer, "declined", { by: "peer", reason, ...limit });
        this.#offerWaiting();
        return;
      }
      case "progress": {
        const transfer = this.#own(message.id);
        if (message.offset > transfer.sent) throw new FrameError("more of a file than was sent");
        if (transfer.state !== "sending" && transfer.state !== "verifying") return;
        if (message.offset <= transfer.bytes) return;
        this.#moved(transfer, message.offset);
        this.#wake();
        return;
      }
      case "received": {
        const transfer = this.#own(message.id);
        // What was not sent to its end cannot have been received.
        if (transfer.sha256 === undefined) throw new FrameError("a file received that was not sent");
        // Where this side has just cancelled it, it came too late for that.
        if (transfer.state === "done") return;
        transfer.bytes = transfer.size;
        this.#end(transfer, "done");
        return;
      }
      case "cancel": {
        const transfer = this.#own(message.id);
        if (transfer.over) return;
        const { reason } = message;
        this.#end(transfer, reason === "person" ? "cancelled" : "failed", { by: "peer", reason });
        this.#offerWaiting();
        return;
      }
    }
  }

  /** An own file that the other side speaks of. */
  #own(id: number): Outgoing {
    const transfer = this.#outgoing.get(id);
    if (transfer === undefined) throw new FrameError("a file that was never offered");
    return transfer;
  }

  #discard(transfer: Incoming): void {
    if (transfer.sink === undefined) return;
    this.#sinks.delete(transfer.sink);
    void transfer.sink.discard();
    transfer.sink = undefined;
  }

  #set(transfer: Moving, state: TransferState): void {
    transfer.state = state;
    this.listener.changed(transfer);
  }

  /** Tells of progress now, or in a moment when it was told just now. */
  #moved(transfer: Moving, bytes: number): void {
    if (transfer.moved(bytes, this.now())) {
      clearTimeout(transfer.later);
      transfer.later = undefined;
      this.listener.changed(transfer);
    } else {
      transfer.later ??= setTimeout(() => {
        transfer.later = undefined;
        this.listener.changed(transfer);
      }, NEWS_INTERVAL);
    }
  }

  #pause(transfer: Moving): void {
    transfer.rest();
    this.#set(transfer, "paused");
  }

  #end(transfer: Moving, state: "done" | "declined" | "cancelled" | "failed", ending?: Ending): void {
    transfer.rest();
    transfer.ending = ending;
    if (transfer instanceof Incoming) {
      transfer.block = undefined;
      if (state !== "done") this.#discard(transfer);
    }
    this.#set(transfer, state);
    this.#wake();
    this.#forget();
    if (transfer instanceof Incoming && this.#link !== undefined) void this.#tellLimit(this.#link);
  }

  /** Ends a transfer from this side, for both. */
  #giveUp(transfer: Moving, reason: CancelReason | WithdrawReason): void {
    if (transfer instanceof Outgoing) {
      if (transfer.told) this.#withdraw(transfer, reason === "person" ? reason : "unreadable");
    } else {
      this.#link?.control({ file: "cancel", id: transfer.id, reason: reason === "unreadable" ? "person" : reason });
    }
    this.#end(transfer, reason === "person" ? "cancelled" : "failed", { by: "own", reason });
    this.#offerWaiting();
  }

  #withdraw({ id }: Outgoing, reason: WithdrawReason): void {
    this.#link?.control({ file: "withdraw", id, reason });
  }

  /** Late frames about files that were over long ago are rare; a page that is open for weeks is not. */
  #forget(): void {
    for (const map of [this.#outgoing, this.#incoming] as Map<number, Moving>[]) {
      for (const [id, { over }] of map) {
        if (map.size <= MAX_OVER) break;
        if (over) map.delete(id);
      }
    }
  }

  async #tellLimit(link: FileLink): Promise<void> {
    let limit = 0;
    try {
      limit = await (await this.store).limit();
    } catch {
      // The disk cannot be asked: nothing can be kept.
    }
    if (link !== this.#link || (limit === this.#ownLimit && this.#limitTold === link)) return;
    this.#ownLimit = limit;
    this.#limitTold = link;
    link.control({ file: "limit", bytes: limit });
    this.listener.limitChanged();
  }

  // Outgoing.

  /** The other page takes files: those that are not finished are offered, again or for the first time. */
  #begin(link: FileLink): void {
    for (const transfer of this.#outgoing.values()) {
      // Nobody knows whether the other side has heard that this one has given a file up.
      if (transfer.state === "cancelled" || transfer.state === "failed") {
        if (transfer.ending?.by === "own" && transfer.instance === link.instance) {
          this.#withdraw(transfer, transfer.state === "cancelled" ? "person" : "unreadable");
        }
      } else if (!transfer.over && transfer.instance !== undefined && transfer.instance !== link.instance) {
        // A page that was loaded afresh knows nothing of the file.
        transfer.bytes = 0;
        this.#set(transfer, "offered");
      }
    }
    this.#offerWaiting();
  }

  /** Offers as many files as may wait for a decision. */
  #offerWaiting(): void {
    const link = this.#link;
    if (link === undefined || this.#peerLimit === undefined) return;
    const open = [...this.#outgoing.values()].filter(({ over }) => !over);
    let undecided = open.filter(({ told, state }) => told && state === "offered").length;
    for (const transfer of open) {
      if (transfer.told) continue;
      if (transfer.size > this.#peerLimit && transfer.state === "offered") {
        this.#end(transfer, "declined", { by: "peer", reason: "limit", limit: this.#peerLimit });
        continue;
      }
      // A file that was accepted before takes nobody's decision.
      if (transfer.state === "offered" && ++undecided > MAX_OFFERS) return;
      transfer.told = true;
      transfer.instance = link.instance;
      const { id, name, size, type } = transfer;
      link.control({ file: "offer", id, name: name.slice(0, MAX_NAME_LENGTH), size, type });
    }
  }

  /** Finds out whether an own file is a picture. */
  async #look(transfer: Outgoing): Promise<void> {
    try {
      const start = await transfer.blob.slice(0, SIGNATURE_BYTES).arrayBuffer();
      transfer.picture = pictureType(new Uint8Array(start));
      if (transfer.picture !== undefined) this.listener.changed(transfer);
    } catch {
      // A file that cannot be read is noticed when it is sent.
    }
  }

  /** Sends what has been accepted, one file after the other. */
  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    for (;;) {
      const link = this.#link;
      const next = [...this.#outgoing.values()].find(({ state }) => state === "accepted");
      if (link === undefined || next === undefined) break;
      this.#set(next, "sending");
      await this.#send(next, link);
    }
    this.#pumping = false;
  }

  async #send(transfer: Outgoing, link: FileLink): Promise<void> {
    const { id, blob, size, offset, digests } = transfer;
    const read = (block: number): Promise<ArrayBuffer> | undefined => {
      if (block * BLOCK_BYTES >= size) return undefined;
      const bytes = blob.slice(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES).arrayBuffer();
      bytes.catch(() => {}); // It may be read ahead for nothing.
      return bytes;
    };
    let index = Math.floor(offset / BLOCK_BYTES);
    for (let ahead = read(index); ahead !== undefined; index++) {
      const start = index * BLOCK_BYTES;
      let block: Uint8Array<ArrayBuffer>;
      try {
        block = new Uint8Array(await ahead);
        if (block.length !== Math.min(BLOCK_BYTES, size - start)) throw new RangeError("the file is shorter now");
      } catch {
        // Moved, changed or deleted since it was chosen.
        if (!transfer.over) this.#giveUp(transfer, "unreadable");
        return;
      }
      ahead = read(index + 1);
      digests[index] ??= digest(block);
      let end: number;
      for (let from = Math.max(0, offset - start); from < block.length; from = end) {
        if (!(await this.#room(transfer, link, start + from))) return;
        end = Math.min(from + FILE_CHUNK_BYTES, block.length);
        if (!this.#put(link, encodeChunk(id, block.subarray(from, end)))) return;
        transfer.sent = Math.max(transfer.sent, start + end);
      }
    }
    const sha256 = await transfer.checksum();
    if (!(await this.#room(transfer, link, size)) || !this.#put(link, encodeChunk(id, new Uint8Array(0)))) return;
    transfer.sha256 = sha256;
    // In this order: the frame may be what finds out that the connection is gone.
    this.#set(transfer, "verifying");
    link.control({ file: "done", id, sha256 });
  }

  /** Waits until the bytes of a file from `position` on may go out. False: they may not any more. */
  async #room(transfer: Outgoing, link: FileLink, position: number): Promise<boolean> {
    for (;;) {
      if (link !== this.#link || transfer.state !== "sending") return false;
      const { readyState, bufferedAmount } = link.bulk;
      const ahead = position - transfer.bytes;
      if (readyState === "open" && bufferedAmount < BUFFER_HIGH && ahead < WINDOW) return true;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** False: the channel takes nothing any more. */
  #put(link: FileLink, message: Uint8Array<ArrayBuffer>): boolean {
    try {
      link.bulk.send(message);
      return true;
    } catch {
      this.detach(link);
      return false;
    }
  }

  /** Something that senders wait for may have come. */
  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  // Incoming.

  #offered(link: FileLink, { id, name, size, type }: FileMessage & { file: "offer" }): void {
    const known = this.#incoming.get(id);
    if (known !== undefined) {
      if (known.size !== size) throw new FrameError("two files of one id");
      known.told = true;
      return this.#offeredAgain(link, known);
    }
    const transfer = new Incoming(id, safeName(name), size, type);
    transfer.told = true;
    const undecided = [...this.#incoming.values()].filter(({ state }) => state === "offered").length;
    const tooLarge = size > this.#ownLimit;
    // A peer that goes on and on is refused without a word here, or its files would fill the discussion.
    if (undecided >= MAX_OFFERS || (tooLarge && this.#refused >= MAX_OFFERS)) {
      link.control({ file: "decline", id, reason: "many" });
      return;
    }
    this.#incoming.set(id, transfer);
    if (tooLarge) {
      this.#refused++;
      link.control({ file: "decline", id, reason: "limit" });
      transfer.state = "declined";
      transfer.ending = { by: "own", reason: "limit", limit: this.#ownLimit };
    }
    this.listener.offered(transfer);
    this.#forget();
    if (!tooLarge) void this.#adopt(transfer);
  }

  /** Names an incoming file for later visits of this page. */
  #key({ id }: Incoming): string {
    return `${this.#instance} ${id}`;
  }

  /** Goes on with a file that had been accepted before this page was loaded again. */
  async #adopt(transfer: Incoming): Promise<void> {
    let adopted: { parts: Blob[]; sink: Sink } | undefined;
    try {
      adopted = await (await this.store).adopt?.(transfer.size, this.#key(transfer));
    } catch {
      // Then it is offered like any other.
    }
    if (adopted === undefined) return;
    if (transfer.state !== "offered") return void adopted.sink.discard();
    const { parts, sink } = adopted;
    this.#set(transfer, "accepted");
    try {
      for (const part of parts) {
        const bytes = new Uint8Array(await part.arrayBuffer());
        if (transfer.received === 0) transfer.signature = bytes.slice(0, SIGNATURE_BYTES);
        const digests = [];
        for (let start = 0; start < bytes.length; start += BLOCK_BYTES) digests.push(digest(bytes.slice(start, start + BLOCK_BYTES)));
        await Promise.all(digests); // Hashing keeps up with reading, or the whole file would come to be in memory.
        transfer.digests.push(...digests);
        transfer.received += bytes.length;
        if (transfer.over) break;
      }
    } catch {
      if (!transfer.over) this.#giveUp(transfer, "full"); // What was here cannot be read any more.
    }
    if (transfer.over) return void sink.discard();
    transfer.bytes = transfer.received;
    transfer.sink = sink;
    this.#sinks.add(sink);
    if (this.#link !== undefined && transfer.told) this.#ask(this.#link, transfer);
    else this.#pause(transfer);
  }

  /** After a break the sender offers what it thinks is not finished. */
  #offeredAgain(link: FileLink, transfer: Incoming): void {
    const { id, ending } = transfer;
    switch (transfer.state) {
      case "offered":
      case "verifying":
        return;
      case "paused":
      case "accepted":
      case "receiving":
        return this.#ask(link, transfer);
      case "done":
        link.control({ file: "received", id });
        return;
      case "declined":
        link.control({ file: "decline", id, reason: ending?.reason === "limit" ? "limit" : "person" });
        return;
      default: {
        const reason = ending?.reason;
        link.control({ file: "cancel", id, reason: reason === "damaged" || reason === "full" ? reason : "person" });
      }
    }
  }

  /** Makes room for a file and asks for it. */
  async #open(transfer: Incoming): Promise<void> {
    let sink: Sink;
    try {
      sink = await (await this.store).create(transfer.size, this.#key(transfer));
    } catch {
      if (!transfer.over) this.#giveUp(transfer, "full");
      return;
    }
    if (transfer.over) return void sink.discard();
    transfer.sink = sink;
    this.#sinks.add(sink);
    if (this.#link !== undefined && transfer.told) this.#ask(this.#link, transfer);
    else this.#pause(transfer);
    if (this.#link !== undefined) void this.#tellLimit(this.#link);
  }

  #ask(link: FileLink, transfer: Incoming): void {
    // While its room is being made, it is asked for when that is there.
    if (transfer.sink === undefined || this.#asked.has(transfer.id)) return;
    this.#asked.add(transfer.id);
    this.#set(transfer, transfer.received > 0 ? "receiving" : "accepted");
    link.control({ file: "accept", id: transfer.id, offset: transfer.received });
  }

  /** A message of the files' channel has come. @throws {FrameError} where nobody has asked for it */
  #bytes(data: unknown): void {
    const { id, part } = decodeChunk(data);
    const transfer = this.#incoming.get(id);
    if (transfer === undefined || !this.#asked.has(id)) throw new FrameError("bytes that nobody asked for");
    if (transfer.over || transfer.state === "verifying") return;
    if (part.length === 0) {
      transfer.complete = true;
      void this.#check(transfer);
      return;
    }
    // More than was announced, or far more than was confirmed: both would fill the memory.
    const tooMany = transfer.received + part.length > transfer.size;
    if (tooMany || transfer.complete || transfer.received - transfer.bytes > 2 * WINDOW) {
      return this.#giveUp(transfer, "damaged");
    }
    if (transfer.state !== "receiving") this.#set(transfer, "receiving");
    if (transfer.received < SIGNATURE_BYTES) {
      transfer.signature = Uint8Array.of(...transfer.signature, ...part.subarray(0, SIGNATURE_BYTES));
    }
    transfer.received += part.length;
    for (let rest = part; rest.length > 0; ) {
      transfer.block ??= new Uint8Array(Math.min(BLOCK_BYTES, transfer.size - transfer.received + rest.length));
      const fits = rest.subarray(0, transfer.block.length - transfer.blockBytes);
      transfer.block.set(fits, transfer.blockBytes);
      transfer.blockBytes += fits.length;
      rest = rest.subarray(fits.length);
      if (transfer.blockBytes === transfer.block.length) this.#write(transfer);
    }
  }

  /** Writes the block down and tells how far the file is. */
  #write(transfer: Incoming): void {
    const { block, sink } = transfer;
    transfer.block = undefined;
    transfer.blockBytes = 0;
    if (block === undefined || sink === undefined) return;
    transfer.digests.push(digest(block));
    transfer.writes = transfer.writes.then(async () => {
      if (transfer.over) return;
      try {
        await sink.write(block);
      } catch {
        if (!transfer.over) this.#giveUp(transfer, "full");
        return;
      }
      if (transfer.over) return;
      this.#moved(transfer, transfer.bytes + block.length);
      if (this.#asked.has(transfer.id)) {
        this.#link?.control({ file: "progress", id: transfer.id, offset: transfer.bytes });
      }
    });
  }

  /** Once all is here: is it what was sent? */
  async #check(transfer: Incoming): Promise<void> {
    if (!transfer.complete || transfer.expected === undefined) return;
    if (transfer.over || transfer.state === "verifying") return;
    if (transfer.received < transfer.size) return this.#giveUp(transfer, "damaged");
    this.#set(transfer, "verifying");
    await transfer.writes;
    if (transfer.over) return;
    if ((await transfer.checksum()) !== transfer.expected) {
      if (!transfer.over) this.#giveUp(transfer, "damaged");
      return;
    }
    const { sink } = transfer;
    if (transfer.over || sink === undefined) return;
    let blob: Blob;
    try {
      blob = await sink.finish();
    } catch {
      if (!transfer.over) this.#giveUp(transfer, "full");
      return;
    }
    if (transfer.over) return;
    transfer.picture = pictureType(transfer.signature);
    // Never a type that a browser would run, however the link to it is opened.
    transfer.blob = blob.slice(0, blob.size, transfer.picture ?? "application/octet-stream");
    this.#link?.control({ file: "received", id: transfer.id });
    this.#end(transfer, "done");
  }
}
