/** Longest instance that is accepted, in UTF-16 units. */
export const MAX_INSTANCE = 64;

/** The last text that has arrived from `instance`. */
export interface Received {
  instance: string;
  id: number;
}

/** A text on its way to the other page. */
export interface Letter {
  readonly id: number;
  readonly text: string;
}

/** A text that waits to be delivered, as the device keeps it for the next page. */
export interface KeptLetter extends Letter {
  /** The instances and ids under which earlier pages may have sent it. */
  was: Received[];
}

/** What the device keeps of a correspondence. */
export interface KeptCorrespondence {
  instance: string;
  /** Texts that the other page has not confirmed, oldest first. */
  waiting: KeptLetter[];
  received: Received | undefined;
}

/** How many earlier instances and ids of a text are remembered. */
const MAX_WAS = 16;

/**
 * What a page must remember from one call to the next about the texts to and from another page, so that each text arrives once and in
 * order however often the channel breaks. Each conversation has one.
 */
export class Correspondence {
  #sent = 0;
  #waiting: Letter[] = [];
  #received: Received | undefined;
  /** The instances and ids under which earlier pages may have sent a text that still waits. */
  readonly #was = new Map<Letter, Received[]>();

  /**
   * @param instance names the sender of the texts: this conversation in this page, as loaded. A page that is loaded again uses another
   *   instance, because it cannot know for certain which ids the page before had used.
   * @param kept what the device keeps of the page before
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

  /** Id of the last text that was posted; 0 if none was. */
  get sent(): number {
    return this.#sent;
  }

  /** What the device should keep. */
  get kept(): KeptCorrespondence {
    const waiting = this.#waiting.map((letter) => ({ ...letter, was: this.#was.get(letter) ?? [] }));
    return { instance: this.instance, waiting, received: this.#received };
  }

  /** Adds a text that is to be sent. */
  post(text: string): Letter {
    const letter = { id: ++this.#sent, text };
    this.#waiting.push(letter);
    return letter;
  }

  /** The other page has received text `id` and all before it. Returns the texts that this confirms. */
  confirm(id: number): Letter[] {
    return this.#remove((letter) => letter.id <= id);
  }

  /** The other page has said, on a new channel, which text it received last. Returns the texts that this confirms. */
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
