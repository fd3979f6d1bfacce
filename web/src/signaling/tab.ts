/** What a page keeps for the next one in its tab, by key: `sessionStorage`. A tab that is duplicated begins with a copy. */
export class Tab {
  /** @param may whether the person lets the page keep anything */
  constructor(private readonly may: () => boolean) {}

  read(key: string): string | undefined {
    try {
      return sessionStorage.getItem(key) ?? undefined;
    } catch {
      return undefined; // This browser keeps nothing.
    }
  }

  /** Keeps a text in place of the one before; undefined: none. Returns whether it is kept. */
  write(key: string, text?: string): boolean {
    try {
      sessionStorage.removeItem(key); // First, because the old one would stay if there were no room for the new one.
      if (text === undefined || !this.may()) return false;
      sessionStorage.setItem(key, text);
      return true;
    } catch {
      return false;
    }
  }
}
