import { SIGNATURE_BYTES, pictureType } from "./files.js";
import { BLOCK_BYTES } from "./frames.js";
import { checksum, digest } from "./hash.js";
import type { Sink } from "./sinks.js";

/** What a writer of blocks tells. It tells nothing after `discard`. */
export interface BlockListener {
  /** `bytes` more bytes are written. */
  wrote(bytes: number): void;
  /** There is no room left. */
  full(): void;
}

/** Cuts the bytes of a received file into blocks, hashes them, and writes them to a sink, in order. */
export class BlockWriter {
  /** How many bytes have come. */
  received = 0;
  #signature: Uint8Array = new Uint8Array(0);
  /** The block that is being filled, up to #filled. */
  #block: Uint8Array<ArrayBuffer> | undefined;
  #filled = 0;
  readonly #digests: Promise<Uint8Array>[] = [];
  #writes: Promise<void> = Promise.resolve();
  #discarded = false;

  constructor(
    private readonly size: number,
    readonly sink: Sink,
    private readonly listener: BlockListener,
  ) {}

  /** The MIME type of the picture that the file is; undefined: it is none. */
  get picture(): string | undefined {
    return pictureType(this.#signature);
  }

  /** Takes bytes that the sink already has. They are whole blocks, or end the file. */
  async resume(part: Blob): Promise<void> {
    const bytes = new Uint8Array(await part.arrayBuffer());
    this.#sign(bytes);
    const digests = [];
    for (let start = 0; start < bytes.length; start += BLOCK_BYTES) digests.push(digest(bytes.slice(start, start + BLOCK_BYTES)));
    await Promise.all(digests); // If reading went faster than hashing, the whole file would be in memory.
    this.#digests.push(...digests);
    this.received += bytes.length;
  }

  /** Takes the next bytes. They must fit into the file's size. */
  add(part: Uint8Array<ArrayBuffer>): void {
    this.#sign(part);
    for (let rest = part; rest.length > 0; ) {
      this.#block ??= new Uint8Array(Math.min(BLOCK_BYTES, this.size - this.received));
      const fits = rest.subarray(0, this.#block.length - this.#filled);
      this.#block.set(fits, this.#filled);
      this.#filled += fits.length;
      this.received += fits.length;
      rest = rest.subarray(fits.length);
      if (this.#filled === this.#block.length) this.#write(this.#block);
    }
  }

  /** Waits until all blocks are written, and returns their checksum. */
  async checksum(): Promise<string> {
    await this.#writes;
    return checksum(this.#digests);
  }

  /** Forgets the bytes. Resolves when they are gone. */
  discard(): Promise<void> {
    this.#discarded = true;
    this.#block = undefined;
    return this.sink.discard();
  }

  #sign(bytes: Uint8Array): void {
    if (this.received < SIGNATURE_BYTES) this.#signature = Uint8Array.of(...this.#signature, ...bytes.subarray(0, SIGNATURE_BYTES));
  }

  #write(block: Uint8Array<ArrayBuffer>): void {
    this.#block = undefined;
    this.#filled = 0;
    const hashed = digest(block);
    hashed.catch(() => this.#discarded || this.listener.full()); // There was no memory for it.
    this.#digests.push(hashed);
    this.#writes = this.#writes.then(async () => {
      if (this.#discarded) return;
      try {
        await this.sink.write(block);
      } catch {
        if (!this.#discarded) this.listener.full();
        return;
      }
      if (!this.#discarded) this.listener.wrote(block.length);
    });
  }
}
