import { MAX_TEXT_BYTES } from "../call/framing.js";
import { firstSeen } from "../characters.js";
import { type Phrase, phrase } from "../words.js";
import type { LiveConversation } from "./liveconversation.js";
import { leftOut } from "./notices.js";

/** The files that a person wants to send. */
export interface Attachments {
  readonly files: readonly File[];
  /** The names of folders. They cannot be sent. */
  readonly folders?: readonly string[];
  /** The names of files that the browser does not hand over. */
  readonly unreadable?: readonly string[];
}

/** Says why a text cannot be sent in the conversation that is in front; undefined: it can. */
export function whyNotSent(text: string, front: Pick<LiveConversation, "phase"> | undefined): Phrase | undefined {
  if (firstSeen(text) < 0) return phrase("invisibleText");
  if (front?.phase !== "open" && front?.phase !== "reconnecting") return phrase("nobodyYet");
  // A UTF-16 unit takes 3 bytes of UTF-8 at most.
  const tooLong = text.length * 3 > MAX_TEXT_BYTES && new TextEncoder().encode(text).length > MAX_TEXT_BYTES;
  return tooLong ? phrase("tooLong") : undefined;
}

/**
 * Selects the files that can be offered to somebody, and says why the others cannot.
 * @param limit the largest file that the other page takes, in bytes; undefined: it takes none
 */
export function offerable({ files, folders = [], unreadable = [] }: Attachments, peer: string, limit: number | undefined): { files: readonly File[]; said: Phrase | undefined } {
  if (limit === undefined) return { files: [], said: phrase("takesNoFiles", peer) };
  if (files.length + folders.length + unreadable.length === 0) return { files, said: phrase("nothingToAttach") };
  const small = files.filter(({ size }) => size <= limit);
  const large = files.filter(({ size }) => size > limit).map(({ name }) => name);
  return { files: small, said: leftOut({ folders, unreadable, large, offered: small.length }, peer, limit) };
}
