/** A map that keeps its newest entries, so that no peer can make it grow without end. */
export class Newest<Value> {
  readonly #entries = new Map<string, Value>();

  /** @param size most entries that are kept */
  constructor(private readonly size: number) {}

  get(key: string): Value | undefined {
    return this.#entries.get(key);
  }

  /** Sets an entry, which is the newest from now on. */
  set(key: string, value: Value): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size > this.size) this.#entries.delete(this.#entries.keys().next().value!);
  }

  /** Removes an entry and returns it. */
  take(key: string): Value | undefined {
    const value = this.#entries.get(key);
    this.#entries.delete(key);
    return value;
  }
}
