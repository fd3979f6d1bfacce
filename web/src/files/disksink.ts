import { ABOUT, PART_BYTES, type UnfinishedFile } from "./directory.js";
import type { Sink } from "./sinks.js";

/** Room on disk that is reserved for a file. */
export interface Room {
  /** `bytes` of it are written, or not needed. */
  release(bytes: number): void;
}

/** Writes a file to disk in parts. */
export class DiskSink implements Sink {
  readonly #parts: FileSystemFileHandle[];
  /** Writes the last part. */
  #writer: FileSystemWritableFileStream | undefined;
  /** How many bytes the last part has. */
  #partBytes = 0;
  #discarded: Promise<void> | undefined;
  /** The last action on the disk. */
  #busy: Promise<unknown> = Promise.resolve();

  /**
   * @param parts the parts that are complete
   * @param room for the rest of the file
   */
  constructor(
    private readonly file: UnfinishedFile,
    parts: FileSystemFileHandle[],
    private readonly room: Room,
  ) {
    this.#parts = [...parts];
  }

  write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    return this.#do(() => this.#write(bytes));
  }

  finish(): Promise<Blob> {
    return this.#do(async () => {
      await this.#closePart();
      this.room.release(this.file.about.size);
      if (this.#parts.length > 1) await this.file.directory.removeEntry(ABOUT);
      // A Blob of files refers to them. Nothing is read here.
      return new Blob(await Promise.all(this.#parts.map((part) => part.getFile())));
    });
  }

  discard(): Promise<void> {
    return (this.#discarded ??= this.#discard());
  }

  async #discard(): Promise<void> {
    // A write that has begun locks its part, and may begin another one.
    await this.#busy.catch(() => {});
    const { about, parent, directory } = this.file;
    this.room.release(about.size);
    try {
      await this.#writer?.abort();
      await parent.removeEntry(directory.name, { recursive: true });
    } catch {
      // Another page has removed it.
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
      // A later page can continue the file once it has a complete part.
      if (this.#parts.length === 1) await this.#describe();
    }
    if (this.#writer === undefined) {
      const part = await this.file.directory.getFileHandle(String(this.#parts.length), { create: true });
      this.#parts.push(part);
      this.#writer = await part.createWritable();
    }
    await this.#writer.write(bytes);
    this.#partBytes += bytes.length;
    this.room.release(bytes.length);
  }

  async #describe(): Promise<void> {
    const writer = await (await this.file.directory.getFileHandle(ABOUT, { create: true })).createWritable();
    await writer.write(JSON.stringify(this.file.about));
    await writer.close();
  }

  async #closePart(): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    this.#partBytes = 0;
    await writer?.close();
  }
}
