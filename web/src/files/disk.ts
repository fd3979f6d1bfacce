import { PART_BYTES, type UnfinishedFile, adoptUnfinished, completeParts, hold, receivedFiles } from "./directory.js";
import { DiskSink, type Room } from "./disksink.js";
import type { Sink, Store } from "./sinks.js";

/** Room on disk that is left for other uses, in bytes. */
const DISK_RESERVE = 64_000_000;

/** Keeps files on disk, in a directory of this page. */
export class DiskStore implements Store {
  #files = 0;
  /** Bytes that are reserved for unfinished files and not written yet. */
  #reserved = 0;
  /** The last `create`. */
  #created: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly page: string,
    /** Unfinished files of pages that are closed, by key. */
    private readonly unfinished: Map<string, UnfinishedFile>,
  ) {}

  /** Opens the store; undefined: this browser does not let the page write files. */
  static async open(page: string): Promise<DiskStore | undefined> {
    try {
      if (!("createWritable" in FileSystemFileHandle.prototype)) return undefined;
      await navigator.storage.estimate();
      await hold(page);
      return new DiskStore(page, await adoptUnfinished(await receivedFiles()));
    } catch {
      return undefined; // On plain http there is no navigator.storage. Private modes and pages from disk get an error.
    }
  }

  async limit(): Promise<number> {
    const { quota = 0, usage = 0 } = await navigator.storage.estimate();
    return Math.max(0, Math.floor(quota - usage - this.#reserved - DISK_RESERVE));
  }

  create(size: number, key: string): Promise<Sink> {
    // One file is created at a time, so that two never get the same room.
    const created = this.#created.then(() => this.#create(size, key));
    this.#created = created.catch(() => {});
    return created;
  }

  async #create(size: number, key: string): Promise<Sink> {
    if (size > (await this.limit())) throw new RangeError("no room on disk");
    const name = String(++this.#files);
    // "Delete everything" may have removed the directories.
    const parent = await (await receivedFiles()).getDirectoryHandle(this.page, { create: true });
    const directory = await parent.getDirectoryHandle(name, { create: true });
    return this.#sink({ about: { size, key, time: Date.now() }, parent, directory }, []);
  }

  async adopt(size: number, key: string): Promise<{ parts: Blob[]; sink: Sink } | undefined> {
    const file = this.unfinished.get(key);
    if (file === undefined || file.about.size !== size) return undefined;
    this.unfinished.delete(key);
    try {
      const parts = await completeParts(file.directory);
      if (parts.length === 0) return undefined;
      return { parts: await Promise.all(parts.map((part) => part.getFile())), sink: this.#sink(file, parts) };
    } catch {
      return undefined; // "Delete everything" has removed it.
    }
  }

  #sink(file: UnfinishedFile, parts: FileSystemFileHandle[]): Sink {
    return new DiskSink(file, parts, this.#reserve(file.about.size - parts.length * PART_BYTES));
  }

  #reserve(size: number): Room {
    this.#reserved += size;
    let left = size;
    return {
      release: (bytes) => {
        const released = Math.min(bytes, left);
        left -= released;
        this.#reserved -= released;
      },
    };
  }
}
