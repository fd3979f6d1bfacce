/**
 * What two pages say to each other about files. Control frames travel on the channel of the texts, as frames of
 * kind 9 (call/framing.ts). They are JSON objects; the field `file` gives their type:
 *
 *     limit     bytes            The largest file that the sender of this frame takes. It comes before all other
 *                                frames. A page that never sends it takes no files.
 *     offer     id, name, size, type
 *     accept    id, offset       Asks for the bytes from `offset` on. The receiver has those before it.
 *     decline   id, reason?      person, limit (the file is too large), many (too many offers at once)
 *     progress  id, offset       So many bytes are written. The sender is never more than WINDOW ahead of that.
 *     done      id, sha256       All bytes are sent. `sha256` is the checksum, in hexadecimal: the SHA-256 of the
 *                                concatenated SHA-256s of the file's blocks of 1048320 bytes. (Browsers hash
 *                                natively, ten times as fast as a page does, but they cannot hash a file in
 *                                parts.)
 *     received  id               The file is complete and its checksum is right.
 *     cancel    id, reason?      The receiver wants no more of it: person, damaged, full (no room).
 *     withdraw  id, reason?      The sender sends no more of it: person, unreadable (it cannot be read any more).
 *
 * The sender chooses the ID. It belongs to one file until the sender's page is closed or reloaded. When a
 * connection breaks, unfinished files are offered again on the next one, under the same ID. The bytes travel on a
 * channel of their own (ID 101). A message holds the file's ID (4 bytes, big-endian) and up to 16380 bytes of the
 * file. A message without bytes ends the file.
 */

/** Longest control frame, in bytes. */
const MAX_CONTROL_BYTES = 8 * 1024;
/** Longest name of a file, in UTF-16 units. */
export const MAX_NAME_LENGTH = 1024;
/** Longest MIME type in an offer, in UTF-16 units. RFC 6838 allows 127 on each side of the slash. */
export const MAX_TYPE_LENGTH = 255;
/** How many offers may wait for the receiver's decision at once. */
export const MAX_OFFERS = 32;
/** How many of its offers a sender may withdraw on one connection before the receiver decides. */
export const MAX_WITHDRAWN = 256;
/** Bytes of a file in one message. Together with the ID they are 16 KB. */
export const FILE_CHUNK_BYTES = 16 * 1024 - 4;
/** Files are read, hashed and written in blocks of this size, in bytes. */
export const BLOCK_BYTES = 64 * FILE_CHUNK_BYTES;
/** How far the sender may be ahead of what the receiver has written, in bytes. */
export const WINDOW = 16 * 1024 * 1024;

/** The other side has broken the protocol. */
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
 * Reads a control frame. Returns undefined for a type that only later versions know.
 * @throws {FrameError} if a field is missing or wrong
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

/** Reads a reason. One that only later versions know is read as the first, `person`. */
function oneOf<T extends string>(value: unknown, known: readonly [T, ...T[]]): T {
  return known.find((one) => one === value) ?? known[0];
}

/** Writes a message of the bulk channel. */
export function encodeChunk(id: number, part: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(4 + part.length);
  new DataView(message.buffer).setUint32(0, id);
  message.set(part, 4);
  return message;
}

/** Reads a message of the bulk channel. @throws {FrameError} if it is not one */
export function decodeChunk(data: unknown): { id: number; part: Uint8Array<ArrayBuffer> } {
  if (!(data instanceof ArrayBuffer)) throw new FrameError("text where bytes of a file were expected");
  if (data.byteLength < 4) throw new FrameError("bytes of no file");
  return { id: new DataView(data).getUint32(0), part: new Uint8Array(data, 4) };
}
