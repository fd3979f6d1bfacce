import type { Correspondence, Letter } from "../conversation/correspondence.js";
import { BUFFER_HIGH, BUFFER_LOW, type ChannelListener, type PeerChannel, closed } from "./channel.js";

/** Longest message to a peer without framing, in bytes: every browser takes messages of this size. */
const MESSAGE_BYTES = 64 * 1024;

/**
 * The channels of clients that know no framing. Each side sends bare text on a channel that it opened itself, and receives on
 * the one that the other side opened. Nothing is confirmed.
 */
export class BareChannel implements PeerChannel {
  #closed = false;
  #admitted = false;
  /** The letter that is being sent, and the parts of it that have not gone yet. */
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

  /** Receives on the channel that the other side has opened. */
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

  /** Does nothing: such a client knows no read marks. */
  sendRead(): void {}

  /** Does nothing: such a client does not show that somebody types. */
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

  /** Closes the channel: such a client knows no goodbye, but it sees the channel close. */
  leave(): Promise<void> {
    return this.close();
  }

  close(): Promise<void> {
    this.#closed = true;
    this.outgoing.close();
    return closed(this.outgoing);
  }

  #opened(): void {
    if (!this.#closed) this.listener.ready();
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.listener.ended("goodbye");
  }
}

/** Cuts a text into parts that every browser takes as one message. A part never ends inside a character. */
export function* bareParts(text: string): Generator<string, void> {
  const longest = Math.floor(MESSAGE_BYTES / 3); // A UTF-16 unit takes 3 bytes of UTF-8 at most.
  let start = 0;
  do {
    let end = Math.min(start + longest, text.length);
    const last = text.charCodeAt(end - 1);
    if (end < text.length && last >= 0xd800 && last <= 0xdbff) end--;
    yield text.slice(start, end);
    start = end;
  } while (start < text.length);
}
