/**
 * Where the bytes of files that come in are kept: on disk, in the browser's own file system for this site
 * (OPFS), where there is one; else in memory. Plain http and some private modes have none.
 */

import { BLOCK_BYTES } from "./frames.js";

/** Takes the bytes of one file, in order. */
export interface Sink {
  /** Resolves once the bytes are kept. @throws where there is no room, or no disk any more */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Ends the file and returns it. */
  finish(): Promise<Blob>;
  /** Forgets the bytes; resolves when they are gone. It may come at any time, and twice. */
  discard(): Promise<void>;
}

/** Makes sinks. */
export interface Store {
  /** How many bytes a file may have now. */
  limit(): Promise<number>;
  /** @param key by which `adopt` finds the file on a later visit */
  create(size: number, key: string): Promise<Sink>;
  /**
   * A file that was under way when an earlier page was closed: its first parts, each but the last of a whole
   * number of blocks, and a sink for what follows them.
   */
  adopt?(size: number, key: string): Promise<{ parts: Blob[]; sink: Sink } | undefined>;
}

/** What a file may have in a browser that keeps it in memory, in bytes. */
const MEMORY_LIMIT = 256_000_000;
/** What all files of a page together may have there. */
const MEMORY_TOTAL = 1_000_000_000;
/** Room on disk that is left to others, in bytes. */
const DISK_RESERVE = 64_000_000;
/** A file on disk is kept in parts of this size: one that is complete is safe, whatever happens to the page. */
export const PART_BYTES = 16 * BLOCK_BYTES;
/** The directory of all received files: in it one for each page, in that one for each file, in that its parts … */
const DIRECTORY = "received";
/** … and, as long as it is under way, what it is. */
const ABOUT = "about";
/** How long a page's unfinished files wait for the next page, in ms. */
const ADOPTABLE = 24 * 60 * 60 * 1_000;

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
  #created: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly page: string,
    /** Unfinished files of pages that are gone, by key. */
    private readonly orphans: Map<string, Orphan>,
  ) {}

  /** A store in the browser's file system; undefined where it has none that can be written. */
  static async open(page: string): Promise<DiskStore | undefined> {
    try {
      if (!("createWritable" in FileSystemFileHandle.prototype)) return undefined;
      await navigator.storage.estimate();
      await hold(page);
      return new DiskStore(page, await sweep(await received()));
    } catch {
      return undefined; // No navigator.storage on plain http; a private mode or a page from disk is refused.
    }
  }

  async limit(): Promise<number> {
    const { quota = 0, usage = 0 } = await navigator.storage.estimate();
    return Math.max(0, Math.floor(quota - usage - this.#promised - DISK_RESERVE));
  }

  create(size: number, key: string): Promise<Sink> {
    // One after the other: two files do not get the same room.
    const created = this.#created.then(() => this.#create(size, key));
    this.#created = created.catch(() => {});
    return created;
  }

  async #create(size: number, key: string): Promise<Sink> {
    if (size > (await this.limit())) throw new RangeError("no room on disk");
    const name = String(++this.#files);
    // "Delete everything" may have taken the directories away since.
    const own = await (await received()).getDirectoryHandle(this.page, { create: true });
    const directory = await own.getDirectoryHandle(name, { create: true });
    return this.#sink({ size, key, time: Date.now() }, own, directory, [], size);
  }

  async adopt(size: number, key: string): Promise<{ parts: Blob[]; sink: Sink } | undefined> {
    const orphan = this.orphans.get(key);
    if (orphan === undefined || orphan.about.size !== size) return undefined;
    this.orphans.delete(key);
    try {
      const parts = await completeParts(orphan.directory);
      if (parts.length === 0) return undefined;
      const sink = this.#sink(orphan.about, orphan.parent, orphan.directory, parts, size - parts.length * PART_BYTES);
      return { parts: await Promise.all(parts.map((part) => part.getFile())), sink };
    } catch {
      return undefined; // "Delete everything" has taken it away.
    }
  }

  #sink(
    about: About,
    parent: FileSystemDirectoryHandle,
    directory: FileSystemDirectoryHandle,
    parts: FileSystemFileHandle[],
    left: number,
  ): Sink {
    return new DiskSink(about, directory, parts, this.#promise(left), () => parent.removeEntry(directory.name, { recursive: true }));
  }

  /** Promises room, which counts as taken until the promise has been kept. */
  #promise(size: number): Room {
    this.#promised += size;
    let left = size;
    return {
      keep: (bytes) => {
        const kept = Math.min(bytes, left);
        left -= kept;
        this.#promised -= kept;
      },
    };
  }
}

/** Room on disk that has been promised. */
interface Room {
  /** So much of it is used, or no longer wanted. */
  keep(bytes: number): void;
}

/** What is written down of a file under way. */
interface About {
  key: string;
  size: number;
  time: number;
}

interface Orphan {
  about: About;
  parent: FileSystemDirectoryHandle;
  directory: FileSystemDirectoryHandle;
}

async function completeParts(directory: FileSystemDirectoryHandle): Promise<FileSystemFileHandle[]> {
  const parts: FileSystemFileHandle[] = [];
  try {
    for (;;) {
      const part = await directory.getFileHandle(String(parts.length));
      if ((await part.getFile()).size !== PART_BYTES) return parts;
      parts.push(part);
    }
  } catch {
    return parts; // There is no further one.
  }
}

class DiskSink implements Sink {
  readonly #parts: FileSystemFileHandle[];
  #writer: FileSystemWritableFileStream | undefined;
  #partBytes = 0;
  #discarded: Promise<void> | undefined;
  /** What is under way on the disk. */
  #busy: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly about: About,
    private readonly directory: FileSystemDirectoryHandle,
    parts: FileSystemFileHandle[],
    private readonly room: Room,
    private readonly remove: () => Promise<void>,
  ) {
    this.#parts = [...parts];
  }

  write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    return this.#do(() => this.#write(bytes));
  }

  finish(): Promise<Blob> {
    return this.#do(async () => {
      await this.#closePart();
      this.room.keep(this.about.size);
      if (this.#parts.length > 1) await this.directory.removeEntry(ABOUT);
      // A Blob of files refers to them: nothing is read here.
      return new Blob(await Promise.all(this.#parts.map((part) => part.getFile())));
    });
  }

  discard(): Promise<void> {
    return (this.#discarded ??= this.#discard());
  }

  async #discard(): Promise<void> {
    // What is being written holds its part, and would begin another one.
    await this.#busy.catch(() => {});
    this.room.keep(this.about.size);
    try {
      await this.#writer?.abort();
      await this.remove();
    } catch {
      // Another page has taken it away.
    }
  }

  /** Does one thing at a time. */
  #do<T>(action: () => Promise<T>): Promise<T> {
    const done = this.#busy.then(action);
    this.#busy = done.catch(() => {});
    return done;
  }

  async #write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.#discarded !== undefined) return;
    if (this.#partBytes >= PART_BYTES) {
      await this.#closePart();
      // From the first part on there is something that a later page can go on with.
      if (this.#parts.length === 1) await this.#describe();
    }
    if (this.#writer === undefined) {
      const part = await this.directory.getFileHandle(String(this.#parts.length), { create: true });
      this.#parts.push(part);
      this.#writer = await part.createWritable();
    }
    await this.#writer.write(bytes);
    this.#partBytes += bytes.length;
    this.room.keep(bytes.length);
  }

  async #describe(): Promise<void> {
    const writer = await (await this.directory.getFileHandle(ABOUT, { create: true })).createWritable();
    await writer.write(JSON.stringify(this.about));
    await writer.close();
  }

  async #closePart(): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    this.#partBytes = 0;
    await writer?.close();
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

/**
 * Removes what pages that are gone have left behind, but for files under way that were begun lately: those are
 * returned, by key, and are this page's now.
 */
async function sweep(directory: FileSystemDirectoryHandle): Promise<Map<string, Orphan>> {
  const { held = [], pending = [] } = await navigator.locks.query();
  const alive = new Set([...held, ...pending].map(({ name }) => name));
  const orphans = new Map<string, Orphan>();
  for (const name of await names(directory)) {
    if (alive.has(lockName(name))) continue;
    const kept = new Set<string>();
    try {
      const parent = await directory.getDirectoryHandle(name);
      for (const file of await names(parent)) {
        const orphan = await describedOrphan(parent, file);
        if (orphan === undefined) continue;
        orphans.set(orphan.about.key, orphan);
        kept.add(file);
      }
      await removeAll(parent, (file) => !kept.has(file));
    } catch {
      // Not a directory of this kind.
    }
    if (kept.size > 0) void hold(name);
    else await removeAll(directory, (other) => other === name);
  }
  return orphans;
}

async function describedOrphan(parent: FileSystemDirectoryHandle, name: string): Promise<Orphan | undefined> {
  try {
    const directory = await parent.getDirectoryHandle(name);
    const about = JSON.parse(await (await (await directory.getFileHandle(ABOUT)).getFile()).text()) as About;
    return Date.now() - about.time < ADOPTABLE ? { about, parent, directory } : undefined;
  } catch {
    return undefined; // It was finished, or had no part that is whole.
  }
}

async function names(directory: FileSystemDirectoryHandle): Promise<string[]> {
  const all: string[] = [];
  for await (const name of directory.keys()) all.push(name);
  return all;
}

async function removeAll(directory: FileSystemDirectoryHandle, which: (name: string) => boolean): Promise<void> {
  for (const name of (await names(directory)).filter(which)) {
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
    const directory = await received();
    await removeAll(directory, () => true);
    // A page whose directory stays is writing a file: only that one stays.
    for (const name of await names(directory)) await removeAll(await directory.getDirectoryHandle(name), () => true);
  } catch {
    // This browser keeps none.
  }
}
