import type { FileLink } from "./link.js";

/** What the sender has said on a session about a file that this page asked for. */
export interface FileRequest {
  /** Whether the message that ends the file's bytes has come. */
  ended: boolean;
  /** The checksum of the `done` frame; undefined until that has come. */
  sha256: string | undefined;
}

/**
 * One link, and what the two pages have said on it about files. Nothing of this holds on the next link: a new
 * session begins with it. Files are listed by ID.
 */
export class FileSession {
  /** The largest file that the other page takes, in bytes. Until the page says so, it takes no files. */
  peerLimit: number | undefined;
  /** Whether the other page knows the own limit. */
  limitSent = false;
  /** Own files that were offered. */
  readonly offered = new Set<number>();
  /** Files that the other page has offered. */
  readonly offers = new Set<number>();
  /** Files of the other page that this one has asked for. */
  readonly requests = new Map<number, FileRequest>();
  /** How many offers were refused because the file was too large. */
  refused = 0;
  /** How many offers the other page has withdrawn before the person decided. */
  withdrawn = 0;

  constructor(readonly link: FileLink) {}
}
