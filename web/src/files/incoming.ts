import type { BlockWriter } from "./blocks.js";
import { safeName } from "./files.js";
import { MovingFile, type Reporter, type Standing } from "./moving.js";

/** A file that the other page sends. */
export class Incoming extends MovingFile {
  readonly direction = "in";
  blob: Blob | undefined;
  /** Writes the file. It is there from when room was made for the file until the file is over. */
  writer: BlockWriter | undefined;

  /** @param key identifies the file on later visits of this page */
  constructor(
    id: number,
    readonly key: string,
    name: string,
    size: number,
    type: string,
    reporter: Reporter,
    standing?: Standing,
  ) {
    super(id, safeName(name), size, type, reporter, standing);
  }
}
