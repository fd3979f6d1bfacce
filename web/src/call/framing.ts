/**
 * The frames on the data channel between two pages. Each message of the channel is one binary frame. The channel is reliable and
 * keeps the order. The first byte is the kind:
 *
 *     1 hello    JSON: {"version":1,"instance":"…","more":true}, and then {"version":1,"instance":"…","received":{"instance":"…","id":7}}
 *     2 text     flags (1 byte: 1 = last chunk), id (4 bytes), a part of the text in UTF-8
 *     3 receipt  id (4 bytes): this text and all before it have arrived
 *     4 goodbye
 *     5 ping     asks for a pong
 *     6 pong     the reply to a ping
 *     7 read     id (4 bytes): the person has seen this text and all before it
 *     8 typing   1 while the person writes a text, 0 when no longer
 *     9 file     JSON: files/frames.ts
 *     10 next    fingerprint (32 bytes) of the certificate that will follow this connection's
 *     11 away    the page is being closed or loaded again. If it is loaded again, it calls again
 *
 * Numbers are unsigned and big-endian. Frames of other kinds are ignored.
 *
 * Each side begins with a hello. `instance` names the sender's page as loaded and its side of this conversation. `more` announces a second
 * hello. It follows when the sender has let the other side in; until then the sender says only ping, pong, goodbye or away. `received`
 * names the last of the receiver's texts that the sender has: texts that were under way when a channel broke are sent again on the next
 * one, and arrive once. So a page sends no texts before the other side's last hello. The ids of an instance's texts rise.
 *
 * A text goes out in chunks that follow each other, because every browser limits the size of a message. A text in more than
 * MAX_CHUNKS chunks is refused.
 */

import { MAX_INSTANCE, type Received } from "../conversation/correspondence.js";
import { FrameError } from "../files/frames.js";
import { hex } from "../signaling/hex.js";

/** Longest part of a text in one frame, in bytes: every browser takes messages of this size. */
export const CHUNK_BYTES = 16 * 1024 - 6;
/** Longest text that is sent or accepted, in bytes of UTF-8. */
export const MAX_TEXT_BYTES = 16 * 1024 * 1024;

/** Most chunks of a text. In chunks of less than 1 KiB the objects that hold them would be larger than the text. */
export const MAX_CHUNKS = MAX_TEXT_BYTES / 1024;

/** The flag of a text's last chunk. */
const LAST = 1;

const enum Kind {
  Hello = 1,
  Text = 2,
  Receipt = 3,
  Goodbye = 4,
  Ping = 5,
  Pong = 6,
  Read = 7,
  Typing = 8,
  File = 9,
  Next = 10,
  Away = 11,
}

export type ChannelFrame =
  | { kind: "hello"; instance: string; received: Received | undefined; /** Another hello follows. */ more?: true }
  | { kind: "text"; id: number; last: boolean; part: Uint8Array }
  | { kind: "receipt"; id: number }
  | { kind: "goodbye" }
  | { kind: "away" }
  | { kind: "ping" }
  | { kind: "pong" }
  | { kind: "read"; id: number }
  | { kind: "typing"; typing: boolean }
  | { kind: "file"; body: Uint8Array }
  | { kind: "next"; fingerprint: string }
  | { kind: "unknown" };

export function encodeFrame(frame: Exclude<ChannelFrame, { kind: "unknown" }>): Uint8Array<ArrayBuffer> {
  switch (frame.kind) {
    case "hello": {
      const body = new TextEncoder().encode(
        JSON.stringify({ version: 1, instance: frame.instance, received: frame.received, more: frame.more }),
      );
      const bytes = new Uint8Array(1 + body.length);
      bytes[0] = Kind.Hello;
      bytes.set(body, 1);
      return bytes;
    }
    case "text": {
      const bytes = new Uint8Array(6 + frame.part.length);
      bytes[0] = Kind.Text;
      bytes[1] = frame.last ? LAST : 0;
      new DataView(bytes.buffer).setUint32(2, frame.id);
      bytes.set(frame.part, 6);
      return bytes;
    }
    case "receipt":
    case "read": {
      const bytes = new Uint8Array(5);
      bytes[0] = frame.kind === "read" ? Kind.Read : Kind.Receipt;
      new DataView(bytes.buffer).setUint32(1, frame.id);
      return bytes;
    }
    case "goodbye":
      return Uint8Array.of(Kind.Goodbye);
    case "away":
      return Uint8Array.of(Kind.Away);
    case "ping":
      return Uint8Array.of(Kind.Ping);
    case "pong":
      return Uint8Array.of(Kind.Pong);
    case "next":
      return Uint8Array.of(Kind.Next, ...frame.fingerprint.split(":").map((byte) => Number.parseInt(byte, 16)));
    case "typing":
      return Uint8Array.of(Kind.Typing, frame.typing ? 1 : 0);
    case "file": {
      const bytes = new Uint8Array(1 + frame.body.length);
      bytes[0] = Kind.File;
      bytes.set(frame.body, 1);
      return bytes;
    }
  }
}

/** Reads one frame. @throws {FrameError} if the frame is cut short or makes no sense */
export function decodeFrame(bytes: Uint8Array): ChannelFrame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (bytes[0]) {
    case undefined:
      throw new FrameError("empty frame");
    case Kind.Hello:
      return decodeHello(bytes.subarray(1));
    case Kind.Text: {
      if (bytes.length < 6) throw new FrameError("text frame without an id");
      const flags = view.getUint8(1);
      if ((flags & ~LAST) !== 0) throw new FrameError("text frame with unknown flags");
      return { kind: "text", id: view.getUint32(2), last: flags === LAST, part: bytes.subarray(6) };
    }
    case Kind.Receipt:
      if (bytes.length !== 5) throw new FrameError("receipt of a wrong length");
      return { kind: "receipt", id: view.getUint32(1) };
    case Kind.Read:
      if (bytes.length !== 5) throw new FrameError("read mark of a wrong length");
      return { kind: "read", id: view.getUint32(1) };
    case Kind.Typing:
      if (bytes.length !== 2) throw new FrameError("typing of a wrong length");
      return { kind: "typing", typing: bytes[1] !== 0 };
    case Kind.Next:
      if (bytes.length !== 33) throw new FrameError("fingerprint of a wrong length");
      return { kind: "next", fingerprint: Array.from(bytes.subarray(1), (byte) => hex([byte]).toUpperCase()).join(":") };
    case Kind.Goodbye:
      return { kind: "goodbye" };
    case Kind.Away:
      return { kind: "away" };
    case Kind.Ping:
      return { kind: "ping" };
    case Kind.Pong:
      return { kind: "pong" };
    case Kind.File:
      return { kind: "file", body: bytes.subarray(1) };
    default:
      return { kind: "unknown" };
  }
}

function decodeHello(body: Uint8Array): ChannelFrame {
  let fields: { version?: unknown; instance?: unknown; received?: { instance?: unknown; id?: unknown }; more?: unknown };
  try {
    fields = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body)) ?? {};
  } catch {
    throw new FrameError("hello that is not JSON");
  }
  const { instance, received, more } = fields;
  if (typeof instance !== "string" || instance === "" || instance.length > MAX_INSTANCE) throw new FrameError("hello without a fit instance");
  return {
    kind: "hello",
    instance,
    received:
      typeof received?.instance === "string" && typeof received.id === "number"
        ? { instance: received.instance, id: received.id }
        : undefined,
    ...(more === true ? { more } : {}),
  };
}

/** Returns the chunks of a text one at a time, so that a long text is not held in memory twice. */
export function* textChunks(id: number, text: Uint8Array): Generator<Uint8Array<ArrayBuffer>, void> {
  let offset = 0;
  do {
    const end = Math.min(offset + CHUNK_BYTES, text.length);
    yield encodeFrame({ kind: "text", id, last: end === text.length, part: text.subarray(offset, end) });
    offset = end;
  } while (offset < text.length);
}

/** Puts the chunks of texts together. */
export class TextAssembler {
  #id = 0;
  #bytes = 0;
  #parts: Uint8Array[] = [];

  /**
   * Takes a chunk. Returns the text if this chunk completes it.
   * @throws {FrameError} if chunks of two texts are mixed, or a text is too long, has too many chunks or is not UTF-8
   */
  add(frame: { id: number; last: boolean; part: Uint8Array }): string | undefined {
    if (this.#parts.length > 0 && frame.id !== this.#id) throw new FrameError("chunks of two texts mixed");
    if (!frame.last && frame.part.length === 0) throw new FrameError("empty chunk");
    this.#id = frame.id;
    this.#bytes += frame.part.length;
    if (this.#bytes > MAX_TEXT_BYTES) throw new FrameError("text too long");
    if (this.#parts.length >= MAX_CHUNKS) throw new FrameError("text in too many chunks");
    this.#parts.push(frame.part);
    if (!frame.last) return undefined;

    const whole = new Uint8Array(this.#bytes);
    let offset = 0;
    for (const part of this.#parts) {
      whole.set(part, offset);
      offset += part.length;
    }
    this.#parts = [];
    this.#bytes = 0;
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(whole);
    } catch {
      throw new FrameError("text that is not UTF-8");
    }
  }
}
