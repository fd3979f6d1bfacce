const KEY = "given-up";
/** How many sessions are remembered. Copies of a tab are few, and older ones have lost their session anyway. */
const MAX = 64;

/**
 * The sessions that the pages of this browser have given up by Sign out, by id: `localStorage`. A tab that is a copy from before, such as
 * one that the browser opens again, must not join by such a session. The ids are random and name nobody. So "Delete everything" leaves them.
 */
export class GivenUp {
  /** @param may whether the person lets the page keep anything */
  constructor(
    private readonly shelf: Pick<Storage, "getItem" | "setItem"> | undefined,
    private readonly may: () => boolean,
  ) {}

  has(id: string): boolean {
    return this.#ids.includes(id);
  }

  add(id: string): void {
    if (!this.may()) return;
    try {
      this.shelf?.setItem(KEY, [...this.#ids, id].slice(-MAX).join(" "));
    } catch {
      // There is no room. Then a copy may join again.
    }
  }

  get #ids(): string[] {
    return this.shelf?.getItem(KEY)?.split(" ") ?? [];
  }
}
