import { SIGNATURE_BYTES, pictureType } from "./files.js";
import { MAX_TYPE_LENGTH } from "./frames.js";
import { MovingFile, type Reporter } from "./moving.js";

/** A file that this page sends. */
export class Outgoing extends MovingFile {
  readonly direction = "out";
  /** The page that the file was offered to last; undefined: none yet. */
  instance: string | undefined;
  /** The end of the last byte that was sent, on any link. The receiver cannot have more. */
  sent = 0;
  /** The checksum. It is set when all bytes have been sent once. */
  sha256: string | undefined;
  /** SHA-256 of each block that has been read. */
  readonly digests: Promise<Uint8Array>[] = [];

  constructor(
    id: number,
    name: string,
    readonly blob: Blob,
    reporter: Reporter,
  ) {
    super(id, name, blob.size, blob.type.slice(0, MAX_TYPE_LENGTH), reporter);
  }

  /** Finds out whether the file is a picture. */
  async look(): Promise<void> {
    try {
      const start = await this.blob.slice(0, SIGNATURE_BYTES).arrayBuffer();
      this.picture = pictureType(new Uint8Array(start));
      if (this.picture !== undefined) this.reporter.changed(this);
    } catch {
      // Sending the file will report that it cannot be read.
    }
  }
}
