/** Longest name that a page has, in UTF-16 units. */
export const MAX_INSTANCE = 64;

/** The last text of `instance` that has arrived. */
export interface Received {
  instance: string;
  id: number;
}

/** A text on its way to the other page. */
export interface Letter {
  readonly id: number;
  readonly text: string;
}

/** A text that waits, as it is kept from one page to the next. */
export interface KeptLetter extends Letter {
  /** What it was sent as, if it was, by the pages before. */
  was: Received[];
}

/** What of a correspondence outlasts the page. */
export interface KeptCorrespondence {
  instance: string;
  /** Texts that the other page has not confirmed, oldest first. */
  waiting: KeptLetter[];
  received: Received | undefined;
}

/** So many pages back it is known what a text was sent as. */
const MAX_WAS = 16;

/**
 * What two pages have sent each other and must remember from one call to the next, so that each text
 * arrives once and in order however often the channel between them breaks. One for each other login; it
 * lives as long as the page is joined under one login.
 */
export class Correspondence {
  #sent = 0;
  #waiting: Letter[] = [];
  #received: Received | undefined;
  /** What a text that waits since an earlier page was sent as. */
  readonly #was = new Map<Letter, Received[]>();

  /**
   * @param instance names it, in this page as loaded. A page that is loaded anew is another one: it cannot know for certain which
   *   ids the one before had used.
   * @param kept what was kept of the page before
   */
  constructor(
    readonly instance: string,
    kept?: KeptCorrespondence,
  ) {
    if (kept === undefined) return;
    this.#received = kept.received;
    for (const { id, text, was } of kept.waiting) {
      this.#was.set(this.post(text), [...was, { instance: kept.instance, id }].slice(-MAX_WAS));
    }
  }

  /** Texts that the other page has not confirmed, oldest first. */
  get waiting(): readonly Letter[] {
    return this.#waiting;
  }

  /** The last text that came from the other page. */
  get received(): Received | undefined {
    return this.#received;
  }

  /** The id of the last text that was posted; 0: none was. */
  get sent(): number {
    return this.#sent;
  }

  /** What should be kept of it. */
  get kept(): KeptCorrespondence {
    const waiting = this.#waiting.map((letter) => ({ ...letter, was: this.#was.get(letter) ?? [] }));
    return { instance: this.instance, waiting, received: this.#received };
  }

  /** Takes a text that is to be sent. */
  post(text: string): Letter {
    const letter = { id: ++this.#sent, text };
    this.#waiting.push(letter);
    return letter;
  }

  /** The other page has `id` and all before it. Returns what that confirms. */
  confirm(id: number): Letter[] {
    return this.#remove((letter) => letter.id <= id);
  }

  /** The other page has said which of this page's texts it holds. Returns what that confirms. */
  confirmHello(received: Received | undefined): Letter[] {
    if (received === undefined) return [];
    if (received.instance === this.instance) return this.confirm(received.id);
    return this.#remove((letter) =>
      (this.#was.get(letter) ?? []).some(({ instance, id }) => instance === received.instance && id <= received.id),
    );
  }

  /** Whether text `id` of the other page's `instance` has arrived. */
  has(instance: string, id: number): boolean {
    return this.#received?.instance === instance && id <= this.#received.id;
  }

  /** Text `id` of the other page's `instance` has arrived, and all before it. */
  take(instance: string, id: number): void {
    if (!this.has(instance, id)) this.#received = { instance, id };
  }

  #remove(confirms: (letter: Letter) => boolean): Letter[] {
    const confirmed = this.#waiting.filter(confirms);
    this.#waiting = this.#waiting.filter((letter) => !confirms(letter));
    for (const letter of confirmed) this.#was.delete(letter);
    return confirmed;
  }
}
