import type { Correspondence } from "../conversation/correspondence.js";
import { type FileMessage, FrameError, decodeFileMessage, encodeFileMessage } from "../files/frames.js";
import { Admission } from "./admission.js";
import { BUFFER_HIGH, BUFFER_LOW, type ChannelEnd, type ChannelListener, type PeerChannel, closed } from "./channel.js";
import { type ChannelFrame, TextAssembler, decodeFrame, encodeFrame } from "./framing.js";
import { Heartbeat } from "./heartbeat.js";
import { LetterChunks } from "./letters.js";

/** Shortest time between two frames which say that the person is still typing, in ms. */
const TYPING_INTERVAL = 2_000;

/** The framed channel (framing.ts) between two pages of this kind. */
export class FramedChannel implements PeerChannel {
  /** A channel that is leaving takes nothing but receipts; a closed one takes nothing. */
  #state: "on" | "leaving" | "closed" = "on";
  /** undefined until the channel is open. */
  #heartbeat: Heartbeat | undefined;
  /** undefined until the hello of the other page. */
  #admission: Admission | undefined;
  readonly #letters: LetterChunks;
  readonly #assembler = new TextAssembler();
  /** What the other page was told last of this person's typing, and when. */
  #typingSent: { typing: boolean; at: number } = { typing: false, at: -Infinity };

  constructor(
    private readonly channel: RTCDataChannel,
    private readonly correspondence: Correspondence,
    private readonly listener: ChannelListener,
    /** Counts what the other browser has sent, below the pages. It rises as long as that browser lives. */
    private readonly pulse: () => Promise<number>,
  ) {
    this.#letters = new LetterChunks(correspondence);
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = BUFFER_LOW;
    channel.onopen = () => this.#opened();
    channel.onmessage = (event) => this.#message(event.data);
    channel.onbufferedamountlow = () => this.flush();
    channel.onclose = () => this.#end("lost");
    if (channel.readyState === "open") this.#opened();
  }

  admit(): void {
    const admission = this.#admission;
    if (admission === undefined || admission.granted) return;
    const { instance, received } = this.correspondence;
    this.#send({ kind: "hello", instance, received });
    const { delivered, read, taken } = admission.grant();
    if (taken > 0) this.#send({ kind: "receipt", id: taken });
    if (delivered.length > 0) this.listener.delivered(delivered);
    if (read > 0) this.listener.read(read);
    this.flush();
  }

  sendRead(): void {
    const { received } = this.correspondence;
    // The ids are those of the other page as it is loaded now.
    if (received !== undefined && received.instance === this.peerInstance) this.#sendAdmitted({ kind: "read", id: received.id });
  }

  sendTyping(typing: boolean): void {
    const last = this.#typingSent;
    const now = performance.now();
    if (!this.#admitted || (typing === last.typing && (!typing || now - last.at < TYPING_INTERVAL))) return;
    this.#typingSent = { typing, at: now };
    this.#send({ kind: "typing", typing });
  }

  flush(): void {
    while (this.#admitted && this.#admission?.complete === true && this.channel.bufferedAmount < BUFFER_HIGH) {
      const chunk = this.#letters.next();
      if (chunk === undefined) return;
      this.#sendBytes(chunk);
    }
  }

  /** The certificate with this fingerprint will follow the one that this page has now. */
  sendNext(fingerprint: string): void {
    this.#sendAdmitted({ kind: "next", fingerprint });
  }

  /** Names the other page as loaded; empty before its hello. */
  get peerInstance(): string {
    return this.#admission?.instance ?? "";
  }

  /** Tells the other page something about files. */
  sendFile(message: FileMessage): void {
    this.#sendAdmitted({ kind: "file", body: encodeFileMessage(message) });
  }

  /** Something has come from the other page, on this channel or another one. */
  signOfLife(): void {
    this.#heartbeat?.signOfLife();
  }

  /** The connection works again after an outage. */
  reconnected(): void {
    this.#heartbeat?.reconnected();
  }

  /** Asks the other page whether it is there. Resolves with whether it replied in time. @param within in ms */
  async probe(within: number): Promise<boolean> {
    return (await this.#heartbeat?.probe(within)) ?? false;
  }

  leave(end: "goodbye" | "away"): Promise<void> {
    this.#send({ kind: end });
    this.#stop("leaving");
    return closed(this.channel);
  }

  close(): Promise<void> {
    this.#stop("closed");
    this.channel.close();
    return closed(this.channel);
  }

  /** Whether what the person sends may pass. */
  get #admitted(): boolean {
    return this.#state === "on" && this.#admission?.granted === true;
  }

  #opened(): void {
    if (this.#state === "closed" || this.#heartbeat !== undefined) return;
    this.#send({ kind: "hello", instance: this.correspondence.instance, received: undefined, more: true });
    this.#heartbeat = new Heartbeat({
      ping: () => this.#send({ kind: "ping" }),
      buffered: () => this.channel.bufferedAmount,
      pulse: this.pulse,
      late: () => this.listener.late(),
      silent: (gone) => this.listener.silent(gone),
      alive: () => this.listener.alive(),
    });
  }

  /** Sends what is meant for a page that is let in. */
  #sendAdmitted(frame: Parameters<typeof encodeFrame>[0]): void {
    if (this.#admitted) this.#send(frame);
  }

  #send(frame: Parameters<typeof encodeFrame>[0]): void {
    this.#sendBytes(encodeFrame(frame));
  }

  #sendBytes(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#state === "closed" || this.channel.readyState !== "open") return;
    try {
      this.channel.send(bytes);
    } catch {
      this.#end("lost");
    }
  }

  #message(data: unknown): void {
    if (this.#state === "closed") return;
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
    if (this.#state === "leaving" && frame.kind !== "receipt") return;
    const admission = this.#admission;
    switch (frame.kind) {
      case "hello":
        if (admission === undefined) {
          this.#admission = new Admission(this.correspondence, frame.instance, frame.received, frame.more === true);
          this.listener.ready();
        } else {
          const delivered = admission.hello(frame.instance, frame.received);
          if (delivered.length > 0) this.listener.delivered(delivered);
          this.flush();
        }
        return;
      case "text": {
        if (admission === undefined) throw new FrameError("text before hello");
        const text = this.#assembler.add(frame);
        if (text === undefined) return;
        if (admission.take(frame.id)) this.listener.received(text);
        if (admission.granted) this.#send({ kind: "receipt", id: frame.id });
        return;
      }
      case "receipt": {
        const confirmed = this.#letters.confirm(frame.id);
        if (confirmed.length > 0) this.listener.delivered(confirmed);
        return;
      }
      case "next":
        if (admission !== undefined) this.listener.next(frame.fingerprint);
        return;
      case "read": {
        const read = admission?.read(frame.id) ?? 0;
        if (read > 0) this.listener.read(read);
        return;
      }
      case "typing":
        this.listener.typing(frame.typing);
        return;
      case "goodbye":
      case "away":
        this.#end(frame.kind);
        return;
      case "ping":
        this.#send({ kind: "pong" });
        return;
      case "pong":
        this.#heartbeat?.pong();
        return;
      case "file": {
        if (admission === undefined) throw new FrameError("file before hello");
        const message = decodeFileMessage(frame.body);
        if (message !== undefined) this.listener.file(message);
        return;
      }
      case "unknown":
        return;
    }
  }

  #end(end: ChannelEnd): void {
    if (this.#state !== "on") return;
    this.#stop("leaving");
    this.listener.ended(end);
  }

  #stop(state: "leaving" | "closed"): void {
    this.#state = state;
    this.#heartbeat?.stop();
  }
}
