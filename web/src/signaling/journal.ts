/** How many frames of a call are kept. A call that restarts often sends more. */
const MAX_FRAMES = 200;
/** How long the frames that are kept may be together, in UTF-16 units. */
const MAX_TEXT = 1_000_000;

/** A frame of a call, as the service has seen it. */
export interface JournalEntry {
  time: Date;
  direction: "sent" | "received";
  type: string;
  /** The length of the frame in UTF-8. */
  bytes: number;
  text: string;
}

/** The frames about one call that went through the service, oldest first. */
export class Journal {
  readonly #entries: JournalEntry[] = [];
  #length = 0;

  get entries(): readonly JournalEntry[] {
    return this.#entries;
  }

  /** @param text the frame as it was on the wire */
  add(direction: "sent" | "received", type: string, text: string): void {
    const bytes = new TextEncoder().encode(text).length;
    this.#entries.push({ time: new Date(), direction, type, bytes, text });
    this.#length += text.length;
    while (this.#entries.length > MAX_FRAMES || this.#length > MAX_TEXT) this.#length -= this.#entries.shift()!.text.length;
  }
}
