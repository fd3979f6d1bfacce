import { BLOCK_BYTES, FILE_CHUNK_BYTES, WINDOW, encodeChunk } from "./frames.js";
import { checksum, digest } from "./hash.js";
import type { Outgoing } from "./outgoing.js";
import type { FileSession } from "./session.js";

/** The pump sends nothing more while the browser's send buffer holds this many bytes. */
const BUFFER_HIGH = 4 * 1024 * 1024;
/** The pump continues when the send buffer holds only this many bytes. Measurements with messages of 16 KB found this value best. */
export const BUFFER_LOW = 1024 * 1024;

/** What the pump sends, and where to. */
export interface PumpSource {
  /** The current session; undefined while there is no link. */
  session(): FileSession | undefined;
  /** The accepted file that is next. */
  next(): Outgoing | undefined;
  /** The file cannot be read any more. */
  unreadable(file: Outgoing): void;
  /** The link takes no more messages. */
  broken(session: FileSession): void;
}

/**
 * Sends the bytes of accepted files, one file after the other. It waits while the browser's send buffer is full,
 * and while the receiver is behind by the window.
 */
export class Pump {
  #running = false;
  #waiting: (() => void)[] = [];

  constructor(private readonly source: PumpSource) {}

  /** Sends until no accepted file is left, or no link. */
  async run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    for (;;) {
      const session = this.source.session();
      const next = this.source.next();
      if (session === undefined || next === undefined) break;
      next.enter("sending");
      try {
        await this.#send(next, session);
      } catch {
        // The browser cannot hash it: it has no memory, for instance.
        if (!next.over) this.source.unreadable(next);
      }
    }
    this.#running = false;
  }

  /** Looks again at everything that the pump may be waiting for. */
  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  async #send(file: Outgoing, session: FileSession): Promise<void> {
    const { id, blob, size, digests } = file;
    const offset = file.bytes; // The receiver has the bytes before it.
    const read = (block: number): Promise<ArrayBuffer> | undefined => {
      if (block * BLOCK_BYTES >= size) return undefined;
      const bytes = blob.slice(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES).arrayBuffer();
      bytes.catch(() => {}); // Nobody may await a block that is read ahead.
      return bytes;
    };
    let index = Math.floor(offset / BLOCK_BYTES);
    for (let ahead = read(index); ahead !== undefined; index++) {
      const start = index * BLOCK_BYTES;
      let block: Uint8Array<ArrayBuffer>;
      try {
        block = new Uint8Array(await ahead);
        if (block.length !== Math.min(BLOCK_BYTES, size - start)) throw new RangeError("the file is shorter now");
      } catch {
        // The file was moved, changed or deleted after it was chosen.
        if (!file.over) this.source.unreadable(file);
        return;
      }
      ahead = read(index + 1);
      digests[index] ??= digest(block);
      let end: number;
      for (let from = Math.max(0, offset - start); from < block.length; from = end) {
        if (!(await this.#mayPass(file, session, start + from))) return;
        end = Math.min(from + FILE_CHUNK_BYTES, block.length);
        if (!this.#put(session, encodeChunk(id, block.subarray(from, end)))) return;
        file.sent = Math.max(file.sent, start + end);
      }
    }
    const sha256 = await checksum(digests);
    if (!(await this.#mayPass(file, session, size)) || !this.#put(session, encodeChunk(id, new Uint8Array(0)))) return;
    file.sha256 = sha256;
    // The state changes first: sending the frame may reveal that the link is gone, and then pause the file.
    file.enter("verifying");
    session.link.control({ file: "done", id, sha256 });
  }

  /** Waits until the bytes from `position` on may be sent. Returns false if the file is not being sent on this session any more. */
  async #mayPass(file: Outgoing, session: FileSession, position: number): Promise<boolean> {
    for (;;) {
      if (session !== this.source.session() || file.state !== "sending") return false;
      const { readyState, bufferedAmount } = session.link.bulk;
      if (readyState === "open" && bufferedAmount < BUFFER_HIGH && position - file.bytes < WINDOW) return true;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Returns false if the channel is closed. */
  #put(session: FileSession, message: Uint8Array<ArrayBuffer>): boolean {
    try {
      session.link.bulk.send(message);
      return true;
    } catch {
      this.source.broken(session);
      return false;
    }
  }
}
