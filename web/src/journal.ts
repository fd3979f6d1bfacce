/** So many frames of one call are kept; a call that restarts often sends more. */
const MAX_FRAMES = 200;

/** A frame of a call, as the service saw it. */
export interface JournalEntry {
  time: Date;
  direction: "sent" | "received";
  type: string;
  /** Of the frame as UTF-8. */
  bytes: number;
  text: string;
}

/** Every frame about one call that has gone by way of the service, oldest first. */
export class Journal {
  readonly #entries: JournalEntry[] = [];

  get entries(): readonly JournalEntry[] {
    return this.#entries;
  }

  add(direction: "sent" | "received", type: string, frame: object): void {
    const text = JSON.stringify(frame, undefined, 2);
    const bytes = new TextEncoder().encode(JSON.stringify(frame)).length;
    this.#entries.push({ time: new Date(), direction, type, bytes, text });
    if (this.#entries.length > MAX_FRAMES) this.#entries.shift();
  }
}
