import type { Sink, Store } from "./sinks.js";

/** The largest file that is kept in memory, in bytes. */
const MEMORY_LIMIT = 256_000_000;
/** How many bytes all files of a page may have in memory together. */
const MEMORY_TOTAL = 1_000_000_000;

/** Keeps files in memory, as Blobs: the browser may move those to its own disk. */
export class MemoryStore implements Store {
  #held = 0;

  limit(): Promise<number> {
    return Promise.resolve(Math.max(0, Math.min(MEMORY_LIMIT, MEMORY_TOTAL - this.#held)));
  }

  async create(size: number): Promise<Sink> {
    if (size > (await this.limit())) throw new RangeError("no room in memory");
    this.#held += size;
    let parts: Blob[] | undefined = [];
    return {
      write: async (bytes) => void parts?.push(new Blob([bytes])),
      finish: async () => new Blob(parts),
      discard: async () => {
        if (parts !== undefined) this.#held -= size;
        parts = undefined;
      },
    };
  }
}
