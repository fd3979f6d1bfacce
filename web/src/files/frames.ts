/**
 * What two pages say about files. The control frames (kind 9 of call/framing.ts, on the channel of the texts) are
 * JSON, `file` says which:
 *
 *     limit     bytes            the sender of this frame takes files up to so many bytes; the first of all,
 *                                and a page that never says it takes no files
 *     offer     id, name, size, type
 *     accept    id, offset       the bytes from there on, please: the others are here
 *     decline   id, reason?      person, limit (too large), many (too many offers at once)
 *     progress  id, offset       so many bytes are written down; the sender never goes further ahead than WINDOW
 *     done      id, sha256       that was all; the SHA-256, in hexadecimal, of the SHA-256s of its blocks of
 *                                1048320 bytes, one after the other (browsers hash blocks by themselves, ten times
 *                                as fast as a page does, but no whole file in parts)
 *     received  id               all of it is here, and has that SHA-256
 *     cancel    id, reason?      the receiver wants no more of it: person, damaged, full (no room)
 *     withdraw  id, reason?      the sender sends no more of it: person, unreadable (no longer)
 *
 * An id is the sender's, and one file's for as long as the sender's page is loaded; where a connection breaks,
 * what is not finished is offered again under its id. The bytes go on a channel of their own (id 101), in
 * messages of the file's id (4 bytes, big-endian) and up to 16380 bytes; one without any ends the file.
 */

/** Longest control frame, in bytes. */
const MAX_CONTROL_BYTES = 8 * 1024;
/** Longest name in an offer, in UTF-16 units. */
export const MAX_NAME_LENGTH = 1024;
/** Longest MIME type in an offer, in UTF-16 units; RFC 6838 allows 127 on each side of the slash. */
export const MAX_TYPE_LENGTH = 255;
/** Bytes of a file in one message: with the id, 16 KB. */
export const FILE_CHUNK_BYTES = 16 * 1024 - 4;
/** A file is read, hashed and written in blocks of this size, in bytes. */
export const BLOCK_BYTES = 64 * FILE_CHUNK_BYTES;
/** So many bytes may be on their way to where the receiver has written them down. */
export const WINDOW = 16 * 1024 * 1024;

/** A frame that the other side should not have sent. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

export type DeclineReason = "person" | "limit" | "many";
export type CancelReason = "person" | "damaged" | "full";
export type WithdrawReason = "person" | "unreadable";

export type FileMessage =
  | { file: "limit"; bytes: number }
  | { file: "offer"; id: number; name: string; size: number; type: string }
  | { file: "accept"; id: number; offset: number }
  | { file: "decline"; id: number; reason: DeclineReason }
  | { file: "progress"; id: number; offset: number }
  | { file: "done"; id: number; sha256: string }
  | { file: "received"; id: number }
  | { file: "cancel"; id: number; reason: CancelReason }
  | { file: "withdraw"; id: number; reason: WithdrawReason };

export function encodeFileMessage(message: FileMessage): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(message)) as Uint8Array<ArrayBuffer>;
}

/**
 * Reads a control frame; undefined: of a kind that a later version has.
 * @throws {FrameError} where it says what it cannot mean
 */
export function decodeFileMessage(body: Uint8Array): FileMessage | undefined {
  if (body.length > MAX_CONTROL_BYTES) throw new FrameError("file frame too long");
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw new FrameError("file frame that is not JSON");
  }
  if (typeof fields !== "object" || fields === null) throw new FrameError("file frame that is no object");
  const { file } = fields;
  switch (file) {
    case "limit":
      return { file, bytes: bytes(fields["bytes"]) };
    case "offer": {
      const { name, type } = fields;
      if (typeof name !== "string" || name.length > MAX_NAME_LENGTH) throw new FrameError("file without a fit name");
      if (typeof type !== "string" || type.length > MAX_TYPE_LENGTH) throw new FrameError("file without a fit type");
      return { file, id: id(fields["id"]), name, size: bytes(fields["size"]), type };
    }
    case "accept":
    case "progress":
      return { file, id: id(fields["id"]), offset: bytes(fields["offset"]) };
    case "decline":
      return { file, id: id(fields["id"]), reason: oneOf(fields["reason"], ["person", "limit", "many"]) };
    case "done": {
      const { sha256 } = fields;
      if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/u.test(sha256)) throw new FrameError("file without a SHA-256");
      return { file, id: id(fields["id"]), sha256 };
    }
    case "received":
      return { file, id: id(fields["id"]) };
    case "cancel":
      return { file, id: id(fields["id"]), reason: oneOf(fields["reason"], ["person", "damaged", "full"]) };
    case "withdraw":
      return { file, id: id(fields["id"]), reason: oneOf(fields["reason"], ["person", "unreadable"]) };
    default:
      return undefined;
  }
}

function id(value: unknown): number {
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > 0xffff_ffff) {
    throw new FrameError("file without a fit id");
  }
  return value as number;
}

function bytes(value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new FrameError("no number of bytes");
  return value as number;
}

/** A reason that a later version has is read as the first: a person's wish. */
function oneOf<T extends string>(value: unknown, known: readonly [T, ...T[]]): T {
  return known.find((one) => one === value) ?? known[0];
}

/** A message of the files' channel. */
export function encodeChunk(id: number, part: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(4 + part.length);
  new DataView(message.buffer).setUint32(0, id);
  message.set(part, 4);
  return message;
}

/** Reads a message of the files' channel. @throws {FrameError} where it is none */
export function decodeChunk(data: unknown): { id: number; part: Uint8Array<ArrayBuffer> } {
  if (!(data instanceof ArrayBuffer)) throw new FrameError("text where bytes of a file were expected");
  if (data.byteLength < 4) throw new FrameError("bytes of no file");
  return { id: new DataView(data).getUint32(0), part: new Uint8Array(data, 4) };
}
