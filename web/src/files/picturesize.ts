/** How many bytes of a picture's start pictureSize looks at. Cameras and editors write metadata in front of the size. */
export const HEADER_BYTES = 1_000_000;

/** How large a picture is when it is decoded. */
export interface PictureSize {
  /** In pixels. A picture that is shown turned has them exchanged. */
  readonly width: number;
  readonly height: number;
  /** How much memory a decoder needs for it, in bytes. */
  readonly bytes: number;
}

/** A decoded pixel: red, green, blue and opacity. */
const PIXEL_BYTES = 4;
/** A decoder of progressive JPEG keeps the coefficients of the whole picture: two bytes for each of three components. */
const PROGRESSIVE_BYTES = 6;

/**
 * Reads the size of a picture from its first bytes. It returns undefined if they do not tell, or tell nothing sensible.
 * @param type what pictureType says of the bytes
 */
export function pictureSize(start: Uint8Array, type: string): PictureSize | undefined {
  try {
    const found = read(new DataView(start.buffer, start.byteOffset, start.byteLength), type);
    if (found === undefined) return undefined;
    const { width, height, pixel = PIXEL_BYTES } = found;
    return width > 0 && height > 0 ? { width, height, bytes: width * height * pixel } : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined; // The bytes end too early.
    throw error;
  }
}

interface Found {
  width: number;
  height: number;
  /** How many bytes the decoder needs for each pixel, if not PIXEL_BYTES. */
  pixel?: number;
}

function read(view: DataView, type: string): Found | undefined {
  switch (type) {
    case "image/png":
      return png(view);
    case "image/jpeg":
      return jpeg(view);
    case "image/gif":
      return gif(view);
    case "image/webp":
      return webp(view);
    case "image/avif":
      return avif(view);
    default:
      return undefined;
  }
}

/** The four characters at `at`. */
function name(view: DataView, at: number): string {
  return String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));
}

/** PNG (third edition), section 11.2.1: IHDR is the first chunk. */
function png(view: DataView): Found | undefined {
  if (view.getUint32(8) !== 13 || name(view, 12) !== "IHDR") return undefined;
  // A browser may keep the 16 bits of each sample.
  const deep = view.getUint8(24) === 16;
  return { width: view.getUint32(16), height: view.getUint32(20), ...(deep ? { pixel: 2 * PIXEL_BYTES } : {}) };
}

/** ITU-T T.81, annex B: the size is in the frame header, SOF, after any number of other segments. */
function jpeg(view: DataView): Found | undefined {
  for (let at = 2; ; ) {
    // Decoders skip what stands between segments.
    while (view.getUint8(at) !== 0xff) at++;
    while (view.getUint8(at) === 0xff) at++;
    const marker = view.getUint8(at++);
    const bare = marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd8);
    if (bare) continue;
    // EOI and SOS: there is no frame header in front of the data.
    if (marker === 0xd9 || marker === 0xda) return undefined;
    const frame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (frame) {
      const progressive = (marker & 3) === 2;
      return {
        width: view.getUint16(at + 5),
        height: view.getUint16(at + 3),
        ...(progressive ? { pixel: PIXEL_BYTES + PROGRESSIVE_BYTES } : {}),
      };
    }
    const length = view.getUint16(at);
    if (length < 2) return undefined;
    at += length;
  }
}

/** GIF89a, sections 18 to 25. Browsers make the screen as large as the first frame, if that is larger. */
function gif(view: DataView): Found | undefined {
  const table = (flags: number) => ((flags & 0x80) === 0 ? 0 : 3 << ((flags & 7) + 1));
  let at = 13 + table(view.getUint8(10));
  for (;;) {
    const block = view.getUint8(at++);
    if (block === 0x2c) {
      const side = (screen: number, offset: number) =>
        Math.max(view.getUint16(screen, true), view.getUint16(at + offset, true) + view.getUint16(at + offset + 4, true));
      return { width: side(6, 0), height: side(8, 2) };
    }
    if (block !== 0x21) return undefined;
    at++; // The label of the extension.
    for (let length = view.getUint8(at++); length > 0; length = view.getUint8(at++)) at += length;
  }
}

/** RFC 9649: a canvas (VP8X), or one picture with or without loss (VP8L, VP8). */
function webp(view: DataView): Found | undefined {
  switch (name(view, 12)) {
    case "VP8X": {
      const side = (at: number) => view.getUint16(at, true) + (view.getUint8(at + 2) << 16) + 1;
      return { width: side(24), height: side(27) };
    }
    case "VP8L": {
      const sides = view.getUint32(21, true);
      return { width: (sides & 0x3fff) + 1, height: ((sides >>> 14) & 0x3fff) + 1 };
    }
    case "VP8 ": {
      // RFC 6386, section 9.1: the size follows the start code of a key frame. The two highest bits scale it.
      if ((view.getUint8(20) & 1) !== 0 || view.getUint16(23) !== 0x9d01 || view.getUint8(25) !== 0x2a) return undefined;
      return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
    }
    default:
      return undefined;
  }
}

/** ISO/IEC 23008-12: the properties "ispe" have the sizes of the picture, of its parts and of its thumbnails. The largest counts. */
function avif(view: DataView): Found | undefined {
  let largest: Found | undefined;
  const boxes = (start: number, end: number, parent: string) => {
    for (let at = start; at + 8 <= end; ) {
      const length = view.getUint32(at);
      const kind = name(view, at + 4);
      // A length of 1 stands for a long one, which "mdat" may have. A length of 0 reaches to the end.
      const next = length === 1 ? at + view.getUint32(at + 8) * 2 ** 32 + view.getUint32(at + 12) : length === 0 ? end : at + length;
      const content = at + (length === 1 ? 16 : 8);
      if (next < content) throw new RangeError("a box ends before it begins");
      if (kind === "ispe" && parent === "ipco") {
        const size = { width: view.getUint32(content + 4), height: view.getUint32(content + 8) };
        if (largest === undefined || size.width * size.height > largest.width * largest.height) largest = size;
      } else if (kind === "tkhd" && parent === "trak") {
        // ISO/IEC 14496-12, section 8.3.2: the last two fields, in 1/65536 pixels.
        const size = { width: view.getUint16(next - 8), height: view.getUint16(next - 4) };
        if (largest === undefined || size.width * size.height > largest.width * largest.height) largest = size;
      } else if (kind === "meta" && parent === "") boxes(content + 4, next, kind);
      else if ((kind === "iprp" && parent === "meta") || (kind === "ipco" && parent === "iprp")) boxes(content, next, kind);
      else if ((kind === "moov" && parent === "") || (kind === "trak" && parent === "moov")) boxes(content, next, kind);
      at = next;
    }
  };
  boxes(0, view.byteLength, "");
  return largest;
}
