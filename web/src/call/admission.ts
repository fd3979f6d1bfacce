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

  /**
   * @param instance names the other page as loaded
   * @param has the last of this page's texts that the other page has
   */
  constructor(
    private readonly correspondence: Correspondence,
    readonly instance: string,
    has: Received | undefined,
  ) {
    this.#pending = { has, read: 0, taken: 0 };
  }

  /** Whether the other page is let in. */
  get granted(): boolean {
    return this.#pending === undefined;
  }

  /** Lets the other page in. What it has said counts now. Returns the letters that it has, and the last text that was read there, or 0. */
  grant(): { delivered: Letter[]; read: number } {
    const { has, read, taken } = this.#pending ?? { has: undefined, read: 0, taken: 0 };
    this.#pending = undefined;
    const delivered = this.correspondence.confirmHello(has);
    if (taken > 0) this.correspondence.take(this.instance, taken);
    return { delivered, read: this.read(read) };
  }

  /** A text of the other page is complete. Returns whether it is new. */
  take(id: number): boolean {
    if (this.correspondence.has(this.instance, id)) return false;
    if (this.#pending === undefined) this.correspondence.take(this.instance, id);
    else if (id <= this.#pending.taken) return false;
    else this.#pending.taken = id;
    return true;
  }

  /** The person there has seen the text `id` and all before it. Returns the last text that counts as read now, or 0. */
  read(id: number): number {
    if (this.#pending === undefined) return Math.min(id, this.correspondence.sent);
    this.#pending.read = Math.max(this.#pending.read, id);
    return 0;
  }
}
