import type { Received } from "./framing.js";

/** A text on its way to the other page. */
export interface Letter {
  readonly id: number;
  readonly text: string;
}

/**
 * What two pages have sent each other and must remember from one call to the next, so that each text
 * arrives once and in order however often the channel between them breaks. One for each other login; it
 * lives as long as the page is joined under one login.
 */
export class Correspondence {
  #sent = 0;
  #waiting: Letter[] = [];
  #received: Received | undefined;

  /** @param instance names this page as loaded */
  constructor(readonly instance: string) {}

  /** Texts that the other page has not confirmed, oldest first. */
  get waiting(): readonly Letter[] {
    return this.#waiting;
  }

  /** The last text that came from the other page. */
  get received(): Received | undefined {
    return this.#received;
  }

  /** Takes a text that is to be sent. */
  post(text: string): Letter {
    const letter = { id: ++this.#sent, text };
    this.#waiting.push(letter);
    return letter;
  }

  /** The other page has `id` and all before it. Returns what that confirms. */
  confirm(id: number): Letter[] {
    const confirmed = this.#waiting.filter((letter) => letter.id <= id);
    this.#waiting = this.#waiting.filter((letter) => letter.id > id);
    return confirmed;
  }

  /** The other page has said which of this page's texts it holds. Returns what that confirms. */
  confirmHello(received: Received | undefined): Letter[] {
    return received?.instance === this.instance ? this.confirm(received.id) : [];
  }

  /** Whether text `id` of the other page's `instance` is new; if so it counts as arrived. */
  take(instance: string, id: number): boolean {
    if (this.#received?.instance === instance && id <= this.#received.id) return false;
    this.#received = { instance, id };
    return true;
  }
}
