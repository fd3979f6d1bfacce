/**
 * Where the bytes of files that come in are kept: on disk, in the browser's own file system for this site
 * (OPFS), where there is one; else in memory. Plain http and some private modes have none.
 */

/** Takes the bytes of one file, in order. */
export interface Sink {
  /** Resolves once the bytes are kept. @throws where there is no room, or no disk any more */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Ends the file and returns it. */
  finish(): Promise<Blob>;
  /** Forgets the bytes. It may come at any time, and twice. */
  discard(): Promise<void>;
}

/** Makes sinks. */
export interface Store {
  /** How many bytes a file may have now. */
  limit(): Promise<number>;
  create(size: number): Promise<Sink>;
}

/** What a file may have in a browser that keeps it in memory, in bytes. */
export const MEMORY_LIMIT = 256_000_000;
/** What all files of a page together may have there. */
const MEMORY_TOTAL = 1_000_000_000;
/** Room on disk that is left to others, in bytes. */
const DISK_RESERVE = 64_000_000;
/** A file on disk is kept in parts of this size: one that is complete is safe, whatever happens to the page. */
const PART_BYTES = 64 * 1024 * 1024;
/** The directory of all received files. */
const DIRECTORY = "received";

/** Keeps files in memory. Blobs, so that the browser may move them out of the page's own. */
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

/** Keeps files on disk, in a directory that is this page's. */
export class DiskStore implements Store {
  #files = 0;
  /** Bytes that files under way have been promised. */
  #promised = 0;

  private constructor(private readonly page: string) {}

  /** A store in the browser's file system; undefined where it has none that can be written. */
  static async open(page: string): Promise<DiskStore | undefined> {
    try {
      if (!("createWritable" in FileSystemFileHandle.prototype)) return undefined;
      await navigator.storage.estimate();
      await hold(page);
      await sweep(await received());
      return new DiskStore(page);
    } catch {
      return undefined; // No navigator.storage on plain http; a private mode or a page from disk is refused.
    }
  }

  async limit(): Promise<number> {
    const { quota = 0, usage = 0 } = await navigator.storage.estimate();
    return Math.max(0, Math.floor(quota - usage - this.#promised - DISK_RESERVE));
  }

  async create(size: number): Promise<Sink> {
    if (size > (await this.limit())) throw new RangeError("no room on disk");
    const name = String(++this.#files);
    // "Delete everything" may have taken the directories away since.
    const own = await (await received()).getDirectoryHandle(this.page, { create: true });
    const directory = await own.getDirectoryHandle(name, { create: true });
    this.#promised += size;
    return new DiskSink(
      directory,
      () => (this.#promised -= size),
      () => own.removeEntry(name, { recursive: true }),
    );
  }
}

class DiskSink implements Sink {
  readonly #parts: FileSystemFileHandle[] = [];
  #writer: FileSystemWritableFileStream | undefined;
  #partBytes = 0;
  #released = false;
  #discarded = false;

  constructor(
    private readonly directory: FileSystemDirectoryHandle,
    private readonly released: () => void,
    private readonly remove: () => Promise<void>,
  ) {}

  async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.#discarded) return;
    if (this.#partBytes >= PART_BYTES) await this.#closePart();
    if (this.#writer === undefined) {
      const part = await this.directory.getFileHandle(String(this.#parts.length), { create: true });
      this.#parts.push(part);
      this.#writer = await part.createWritable();
    }
    await this.#writer.write(bytes);
    this.#partBytes += bytes.length;
  }

  async finish(): Promise<Blob> {
    await this.#closePart();
    this.#release();
    // A Blob of files refers to them: nothing is read here.
    return new Blob(await Promise.all(this.#parts.map((part) => part.getFile())));
  }

  async discard(): Promise<void> {
    if (this.#discarded) return;
    this.#discarded = true;
    this.#release();
    try {
      await this.#writer?.abort();
      await this.remove();
    } catch {
      // A write under way still holds it: the next page sweeps it away.
    }
  }

  async #closePart(): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    this.#partBytes = 0;
    await writer?.close();
  }

  #release(): void {
    if (!this.#released) this.released();
    this.#released = true;
  }
}

async function received(): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle(DIRECTORY, { create: true });
}

/** Says, for as long as the page lives, that its directory is in use. */
function hold(page: string): Promise<void> {
  return new Promise((held, failed) => {
    navigator.locks
      .request(lockName(page), () => {
        held();
        return new Promise(() => {});
      })
      .catch(failed);
  });
}

function lockName(page: string): string {
  return `received files of ${page}`;
}

/** Removes what pages that are gone have left behind. */
async function sweep(directory: FileSystemDirectoryHandle): Promise<void> {
  const { held = [], pending = [] } = await navigator.locks.query();
  const alive = new Set([...held, ...pending].map(({ name }) => name));
  await removeAll(directory, (name) => !alive.has(lockName(name)));
}

async function removeAll(directory: FileSystemDirectoryHandle, which: (name: string) => boolean): Promise<void> {
  const names: string[] = [];
  for await (const name of directory.keys()) names.push(name);
  for (const name of names.filter(which)) {
    try {
      await directory.removeEntry(name, { recursive: true });
    } catch {
      // A file in it is being written.
    }
  }
}

/** The best store that this browser has. @param page names this page as loaded */
export async function openStore(page: string): Promise<Store> {
  return (await DiskStore.open(page)) ?? new MemoryStore();
}

/** Removes every received file from this device, but those that are being written now. */
export async function deleteReceivedFiles(): Promise<void> {
  try {
    await removeAll(await received(), () => true);
  } catch {
    // This browser keeps none.
  }
}
