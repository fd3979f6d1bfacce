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

/**
 * The id of a text in what one page keeps for another: it has never sent the text itself. It is above every id on the wire, so that no
 * page confirms it.
 */
const NEVER_SENT = 2 ** 32;

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
  /** The texts that the page before had left, under every instance and id. */
  readonly #loaded = new Set<string>();
  /** What this page and the device both know. What differs from it is news from this page. */
  #receivedBefore: Received | undefined;

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
    this.#received = this.#receivedBefore = kept.received;
    for (const letter of kept.waiting) {
      const known = sentAs(kept.instance, letter);
      for (const one of known) this.#loaded.add(name(one));
      this.#was.set(this.post(letter.text), known.slice(-MAX_WAS));
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

  /**
   * Returns what the device should keep in place of `there`. If another tab has written that, its texts that this page does not know
   * stay, those that this page has delivered go, and this page takes over what has arrived there.
   */
  keptOver(there: KeptCorrespondence): KeptCorrespondence {
    const others = there.waiting.filter((letter) => !this.#knows(there.instance, letter));
    this.#received = this.#receivedBefore = this.#lastReceived(there.received);
    const { instance, waiting, received } = this.kept;
    const theirs = others.map((letter) => adopted(there.instance, letter));
    return { instance, waiting: [...waiting, ...theirs], received };
  }

  /** Returns what the device may keep in place of `there` while nothing new is to be kept: not the texts that have arrived. */
  keptWithin(there: KeptCorrespondence): KeptCorrespondence {
    const waiting = new Set(this.kept.waiting.flatMap((letter) => sentAs(this.instance, letter).map(name)));
    const stays = (letter: KeptLetter) => !this.#knows(there.instance, letter) || sentAs(there.instance, letter).some((one) => waiting.has(name(one)));
    return { ...there, waiting: there.waiting.filter(stays) };
  }

  #knows(instance: string, letter: KeptLetter): boolean {
    return sentAs(instance, letter).some((one) => one.instance === this.instance || this.#loaded.has(name(one)));
  }

  #lastReceived(there: Received | undefined): Received | undefined {
    const here = this.#received;
    if (here === undefined || there === undefined) return here ?? there;
    if (here.instance === there.instance) return here.id < there.id ? there : here;
    return here === this.#receivedBefore ? there : here;
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

  /** Another tab has delivered text `id`. */
  withdraw(id: number): void {
    this.#remove((letter) => letter.id === id);
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

/** Returns a text that `instance` has kept as another one keeps it. */
export function adopted(instance: string, letter: KeptLetter): KeptLetter {
  return { id: NEVER_SENT, text: letter.text, was: sentAs(instance, letter).slice(-MAX_WAS) };
}

/** The instances and ids under which pages may have sent a text that `instance` has kept. */
function sentAs(instance: string, { id, was }: KeptLetter): Received[] {
  return id === NEVER_SENT ? was : [...was, { instance, id }];
}

function name({ instance, id }: Received): string {
  return `${id} ${instance}`;
}
