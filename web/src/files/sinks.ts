/** Takes the bytes of one file, in order. */
export interface Sink {
  /** Resolves when the bytes are kept. @throws if there is no room, or the disk has failed */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Ends the file and returns it. */
  finish(): Promise<Blob>;
  /** Deletes the bytes. Resolves when they are gone. It may be called at any time, and more than once. */
  discard(): Promise<void>;
}

/** Makes sinks for received files. */
export interface Store {
  /** The largest file that there is room for now, in bytes. */
  limit(): Promise<number>;
  /** @param key identifies the file for `adopt` on a later visit. @throws if there is no room */
  create(size: number, key: string): Promise<Sink>;
  /**
   * Returns an unfinished file of an earlier page: its first parts, and a sink for the bytes after them. Each part
   * is a whole number of blocks, except at the end of the file.
   */
  adopt?(size: number, key: string): Promise<{ parts: Blob[]; sink: Sink } | undefined>;
}
