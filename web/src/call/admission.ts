import type { Correspondence, Letter, Received } from "../conversation/correspondence.js";

/**
 * Keeps what the other page says about texts until it is let in. Somebody else may have taken the login of the conversation's
 * other person. They must not change the conversation. Each channel has one admission. It is made when the other page's hello comes.
 */
export class Admission {
  /**
   * What the other page has said so far; undefined once it is let in. `has` is the last of this page's texts that it has, `read` the
   * last that the person there has seen, `taken` the last of its own that has come here.
   */
  #pending: { has: Received | undefined; read: number; taken: number } | undefined;
  /** Whether the other page has yet to say what it has. */
  #more: boolean;

  /**
   * @param instance names the other page as loaded
   * @param has the last of this page's texts that the other page has
   * @param more it says that later
   */
  constructor(
    private readonly correspondence: Correspondence,
    readonly instance: string,
    has: Received | undefined,
    more = false,
  ) {
    this.#pending = { has, read: 0, taken: 0 };
    this.#more = more;
  }

  /** Whether texts may go out: the other page is let in, and has said which of them it has. */
  get complete(): boolean {
    return this.granted && !this.#more;
  }

  /** The other page says what it has. Returns the letters that it has, if it is let in. */
  hello(instance: string, has: Received | undefined): Letter[] {
    if (!this.#more || instance !== this.instance) return [];
    this.#more = false;
    if (this.#pending === undefined) return this.correspondence.confirmHello(has);
    this.#pending.has = has;
    return [];
  }

  /** Whether the other page is let in. */
  get granted(): boolean {
    return this.#pending === undefined;
  }

  /**
   * Lets the other page in. What it has said counts now. Returns the letters that it has, the last text that was read there, and the last
   * of its texts that has come; 0 if there is none.
   */
  grant(): { delivered: Letter[]; read: number; taken: number } {
    const { has, read, taken } = this.#pending ?? { has: undefined, read: 0, taken: 0 };
    this.#pending = undefined;
    const delivered = this.correspondence.confirmHello(has);
    if (taken > 0) this.correspondence.take(this.instance, taken);
    return { delivered, read: this.read(read), taken };
  }

  /** A text of the other page is complete. Returns whether it is new. */
  take(id: number): boolean {
    const isNew = !this.correspondence.has(this.instance, id) && id > (this.#pending?.taken ?? 0);
    if (this.#pending === undefined) this.correspondence.take(this.instance, id);
    else this.#pending.taken = Math.max(this.#pending.taken, id);
    return isNew;
  }

  /** The person there has seen the text `id` and all before it. Returns the last text that counts as read now, or 0. */
  read(id: number): number {
    if (this.#pending === undefined) return Math.min(id, this.correspondence.sent);
    this.#pending.read = Math.max(this.#pending.read, id);
    return 0;
  }
}
