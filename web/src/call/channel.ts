import type { Correspondence, Letter, Received } from "../conversation/correspondence.js";
import { type FileMessage, FrameError, decodeFileMessage, encodeFileMessage } from "../files/frames.js";
import { type ChannelFrame, TextAssembler, decodeFrame, encodeFrame, textChunks } from "./framing.js";

/** Above this many bytes in the browser's send buffer nothing more is put into it … */
const BUFFER_HIGH = 1024 * 1024;
/** … until it has sunk to this many. */
const BUFFER_LOW = 256 * 1024;
/** Time between two signs of life, in ms. */
const HEARTBEAT = 2_500;
/** So many heartbeats in a row without a sign of life mean that the other page is gone. */
const MISSED_HEARTBEATS = 3;
/** So many mean that there may be trouble on the way. */
const MISSED_AT_FIRST = 2;
/** So many, while the other browser still answers on the network: then its page hangs for good. */
const MISSED_WHILE_BUSY = 16;
/** Longest text for a peer without framing, in bytes: every browser takes messages of this size. */
const BARE_TEXT_BYTES = 64 * 1024;

/** Why a channel ended: the other side said goodbye, nothing comes any more, or it sent nonsense. */
export type ChannelEnd = "goodbye" | "lost" | "garbled";

/** Shortest time between two frames that say that the person goes on typing, in ms. */
const TYPING_INTERVAL = 2_000;

export interface ChannelListener {
  /** Both sides are there. Nothing of the person's passes before `admit`. */
  ready(): void;
  received(text: string): void;
  /** The person there has seen these ids' texts, and all before. */
  read(id: number): void;
  /** The person there types, or has stopped. */
  typing(typing: boolean): void;
  /** The other page has these. */
  delivered(letters: Letter[]): void;
  /** These are on their way to a peer that confirms nothing. */
  sent(letters: Letter[]): void;
  /** The certificate with this fingerprint will follow the one that the other has now. */
  next(fingerprint: string): void;
  /** The other page says something about files. @throws {FrameError} where it cannot be meant */
  file(message: FileMessage): void;
  /**
   * Nothing has come for a while, from the other browser either; told again while that is so.
   * @param gone it has been so long that the other page must be gone
   */
  silent(gone: boolean): void;
  /** Something has come after that. */
  alive(): void;
  /** At most once, and never after `close`. */
  ended(end: ChannelEnd): void;
}

/** A way for texts to the other page. */
export interface PeerChannel {
  /** From now on what the person sends may pass. */
  admit(): void;
  /** The person has seen all texts that have come. */
  sendRead(): void;
  /** The person types, or has stopped. */
  sendTyping(typing: boolean): void;
  /** A letter has been posted to the correspondence. */
  flush(): void;
  /**
   * Tells the other side that this one is going, and takes nothing but receipts from then on. Resolves when
   * the channel has closed.
   */
  leave(): Promise<void>;
  /** Stops listening and closes the channel; what was sent goes out first. Resolves when it has closed. */
  close(): Promise<void>;
}

/** Resolves when the channel has closed. */
function closed(channel: RTCDataChannel): Promise<void> {
  return new Promise((resolve) => {
    if (channel.readyState === "closed") resolve();
    else channel.addEventListener("close", () => resolve(), { once: true });
  });
}

/** The framed channel (framing.ts) between two pages of this kind. */
export class FramedChannel implements PeerChannel {
  readonly #assembler = new TextAssembler();
  #peerInstance = "";
  /**
   * What the other page has said of this page's texts, and the last of its own, before it was let in: whoever is not changes nothing of
   * what is remembered of somebody else.
   */
  readonly #before: { has: Received | undefined; read: number; taken: number } = { has: undefined, read: 0, taken: 0 };
  #admitted = false;
  #typingSent: { typing: boolean; at: number } = { typing: false, at: -Infinity };
  #leaving = false;
  #closed = false;
  #sending: Generator<Uint8Array<ArrayBuffer>, void> | undefined;
  #lastSent = 0;
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  #alive = false;
  #missed = 0;
  #buffered = 0;
  #lastPulse = 0;
  /** Probes that wait for a pong. */
  readonly #probes: ((there: boolean) => void)[] = [];

  constructor(
    private readonly channel: RTCDataChannel,
    private readonly correspondence: Correspondence,
    private readonly listener: ChannelListener,
    /** Counts what the other browser has sent, below the pages; it rises as long as that browser lives. */
    private readonly pulse: () => Promise<number>,
  ) {
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = BUFFER_LOW;
    channel.onopen = () => this.#opened();
    channel.onmessage = (event) => this.#message(event.data);
    channel.onbufferedamountlow = () => this.flush();
    channel.onclose = () => this.#end("lost");
    if (channel.readyState === "open") this.#opened();
  }

  admit(): void {
    this.#admitted = true;
    const { has, read, taken } = this.#before;
    const confirmed = this.correspondence.confirmHello(has);
    if (confirmed.length > 0) this.listener.delivered(confirmed);
    if (taken > 0) this.correspondence.take(this.#peerInstance, taken);
    if (read > 0) this.#read(read);
    this.flush();
  }

  sendRead(): void {
    const { received } = this.correspondence;
    // The ids are those of the other page as loaded now.
    if (received === undefined || received.instance !== this.#peerInstance) return;
    if (this.#admitted && !this.#leaving) this.#send(encodeFrame({ kind: "read", id: received.id }));
  }

  sendTyping(typing: boolean): void {
    const last = this.#typingSent;
    const now = performance.now();
    if (!this.#admitted || this.#leaving || (typing === last.typing && (!typing || now - last.at < TYPING_INTERVAL))) return;
    this.#typingSent = { typing, at: now };
    this.#send(encodeFrame({ kind: "typing", typing }));
  }

  flush(): void {
    if (this.#peerInstance === "" || !this.#admitted) return;
    while (!this.#leaving && !this.#closed && this.channel.bufferedAmount < BUFFER_HIGH) {
      const chunk = this.#nextChunk();
      if (chunk === undefined) return;
      this.#send(chunk);
    }
  }

  /** The certificate with this fingerprint will follow the one that this page has now. */
  sendNext(fingerprint: string): void {
    if (this.#admitted && !this.#leaving) this.#send(encodeFrame({ kind: "next", fingerprint }));
  }

  /** Names the other page as loaded; empty before its hello. */
  get peerInstance(): string {
    return this.#peerInstance;
  }

  /** Tells the other page something about files. */
  sendFile(message: FileMessage): void {
    if (this.#admitted && !this.#leaving) this.#send(encodeFrame({ kind: "file", body: encodeFileMessage(message) }));
  }

  /** The other page has shown on another channel that it lives. */
  signOfLife(): void {
    this.#alive = true;
    if (this.#missed < MISSED_AT_FIRST) return;
    this.#missed = 0;
    this.listener.alive();
  }

  /** The connection works again: the heartbeats that were missed before say nothing about now. */
  reconnected(): void {
    this.#missed = 0;
  }

  /** Asks the other page whether it is there. Resolves with whether it replied in time. @param within in ms */
  probe(within: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), within);
      this.#probes.push((there) => {
        clearTimeout(timer);
        resolve(there);
      });
      this.#send(encodeFrame({ kind: "ping" }));
    });
  }

  leave(): Promise<void> {
    this.#send(encodeFrame({ kind: "goodbye" }));
    this.#leaving = true;
    clearInterval(this.#heartbeat);
    return closed(this.channel);
  }

  close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#heartbeat);
    this.channel.close();
    return closed(this.channel);
  }

  #opened(): void {
    if (this.#closed || this.#heartbeat !== undefined) return;
    const { instance, received } = this.correspondence;
    this.#send(encodeFrame({ kind: "hello", instance, received }));
    this.#heartbeat = setInterval(() => void this.#beat(), HEARTBEAT);
  }

  #nextChunk(): Uint8Array<ArrayBuffer> | undefined {
    const next = this.#sending?.next();
    if (next !== undefined && next.done !== true) return next.value;
    const letter = this.correspondence.waiting.find(({ id }) => id > this.#lastSent);
    if (letter === undefined) {
      this.#sending = undefined;
      return undefined;
    }
    this.#lastSent = letter.id;
    this.#sending = textChunks(letter.id, new TextEncoder().encode(letter.text));
    return this.#sending.next().value ?? undefined;
  }

  #send(frame: Uint8Array<ArrayBuffer>): void {
    if (this.#closed || this.channel.readyState !== "open") return;
    try {
      this.channel.send(frame);
    } catch {
      this.#end("lost");
    }
  }

  #message(data: unknown): void {
    if (this.#closed) return;
    this.signOfLife();
    try {
      if (!(data instanceof ArrayBuffer)) throw new FrameError("text where a frame was expected");
      this.#frame(decodeFrame(new Uint8Array(data)));
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#end("garbled");
    }
  }

  #frame(frame: ChannelFrame): void {
    if (this.#leaving && frame.kind !== "receipt") return;
    switch (frame.kind) {
      case "hello": {
        if (this.#peerInstance !== "") return;
        this.#peerInstance = frame.instance;
        this.#before.has = frame.received;
        this.listener.ready();
        return;
      }
      case "text": {
        if (this.#peerInstance === "") throw new FrameError("text before hello");
        const text = this.#assembler.add(frame);
        if (text === undefined) return;
        if (!this.correspondence.has(this.#peerInstance, frame.id) && (this.#admitted || frame.id > this.#before.taken)) {
          if (this.#admitted) this.correspondence.take(this.#peerInstance, frame.id);
          else this.#before.taken = frame.id;
          this.listener.received(text);
        }
        this.#send(encodeFrame({ kind: "receipt", id: frame.id }));
        return;
      }
      case "receipt": {
        // A receipt for what was never sent confirms nothing.
        const confirmed = this.correspondence.confirm(Math.min(frame.id, this.#lastSent));
        if (confirmed.length > 0) this.listener.delivered(confirmed);
        return;
      }
      case "next":
        if (this.#peerInstance !== "") this.listener.next(frame.fingerprint);
        return;
      case "read":
        if (this.#admitted) this.#read(frame.id);
        else this.#before.read = Math.max(this.#before.read, frame.id);
        return;
      case "typing":
        this.listener.typing(frame.typing);
        return;
      case "goodbye":
        this.#end("goodbye");
        return;
      case "ping":
        this.#send(encodeFrame({ kind: "pong" }));
        return;
      case "file": {
        if (this.#peerInstance === "") throw new FrameError("file before hello");
        const message = decodeFileMessage(frame.body);
        if (message !== undefined) this.listener.file(message);
        return;
      }
      case "pong":
        for (const there of this.#probes.splice(0)) there(true);
        return;
      case "unknown":
        return;
    }
  }

  #read(id: number): void {
    const read = Math.min(id, this.correspondence.sent);
    if (read > 0) this.listener.read(read);
  }

  async #beat(): Promise<void> {
    // A buffer that empties is a sign of life too: behind a long text on a slow line a ping waits its turn.
    const draining = this.channel.bufferedAmount < this.#buffered;
    this.#buffered = this.channel.bufferedAmount;
    this.#missed = this.#alive || draining ? 0 : this.#missed + 1;
    this.#alive = false;
    this.#send(encodeFrame({ kind: "ping" }));

    // A page that is busy, with a very long text for instance, answers late; its browser's network does not.
    const pulse = await this.pulse();
    const busy = pulse > this.#lastPulse;
    this.#lastPulse = pulse;
    if (this.#closed || this.#leaving) return;
    if (this.#missed >= (busy ? MISSED_WHILE_BUSY : MISSED_HEARTBEATS)) this.listener.silent(true);
    else if (this.#missed >= MISSED_AT_FIRST && !busy) this.listener.silent(false);
  }

  #end(end: ChannelEnd): void {
    if (this.#closed || this.#leaving) return;
    this.#leaving = true;
    clearInterval(this.#heartbeat);
    this.listener.ended(end);
  }
}

/**
 * The way of clients that know no framing: each side sends bare text on a channel that it has opened itself
 * and receives on the one that the other has opened. Nothing is confirmed.
 */
export class BareChannel implements PeerChannel {
  #closed = false;
  #admitted = false;
  /** What of a letter has not gone yet. */
  #sending: { letter: Letter; parts: Generator<string, void> } | undefined;

  constructor(
    private readonly outgoing: RTCDataChannel,
    private readonly correspondence: Correspondence,
    private readonly listener: ChannelListener,
  ) {
    outgoing.onopen = () => this.#opened();
    outgoing.onclose = () => this.#end();
    outgoing.bufferedAmountLowThreshold = BUFFER_LOW;
    outgoing.onbufferedamountlow = () => this.flush();
  }

  /** The other side's channel has arrived. */
  listen(incoming: RTCDataChannel): void {
    incoming.onmessage = (event) => {
      if (!this.#closed && typeof event.data === "string") this.listener.received(event.data);
    };
    incoming.onclose = () => this.#end();
  }

  admit(): void {
    this.#admitted = true;
    this.flush();
  }

  /** Such a client knows no such thing. */
  sendRead(): void {}

  /** Nor this. */
  sendTyping(): void {}

  flush(): void {
    while (!this.#closed && this.#admitted && this.outgoing.readyState === "open" && this.outgoing.bufferedAmount < BUFFER_HIGH) {
      if (this.#sending === undefined) {
        const letter = this.correspondence.waiting[0];
        if (letter === undefined) return;
        this.#sending = { letter, parts: bareParts(letter.text) };
      }
      const part = this.#sending.parts.next();
      if (part.done === true) {
        const { letter } = this.#sending;
        this.#sending = undefined;
        this.listener.sent(this.correspondence.confirm(letter.id));
        continue;
      }
      try {
        this.outgoing.send(part.value);
      } catch {
        this.#end();
      }
    }
  }

  /** Such a client knows no goodbye: it sees the channel close. */
  leave(): Promise<void> {
    return this.close();
  }

  close(): Promise<void> {
    this.#closed = true;
    this.outgoing.close();
    return closed(this.outgoing);
  }

  #opened(): void {
    if (this.#closed) return;
    this.listener.ready();
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.listener.ended("goodbye");
  }
}

/** A text in parts that every browser takes as one message; a part never ends inside a character. */
export function* bareParts(text: string): Generator<string, void> {
  const longest = Math.floor(BARE_TEXT_BYTES / 3); // A UTF-16 unit takes 3 bytes of UTF-8 at most.
  let start = 0;
  do {
    let end = Math.min(start + longest, text.length);
    const last = text.charCodeAt(end - 1);
    if (end < text.length && last >= 0xd800 && last <= 0xdbff) end--;
    yield text.slice(start, end);
    start = end;
  } while (start < text.length);
}
