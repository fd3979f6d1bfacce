import assert from "node:assert/strict";
import { test } from "node:test";
import { pictureType } from "./files.js";
import { HEADER_BYTES, pictureSize } from "./picturesize.js";

const text = (value: string) => [...value].map((c) => c.charCodeAt(0));
const big = (value: number, bytes: number) => Array.from({ length: bytes }, (_, i) => Math.floor(value / 256 ** (bytes - 1 - i)) % 256);
const little = (value: number, bytes: number) => big(value, bytes).reverse();

function png(width: number, height: number, depth = 8): number[] {
  return [...text("\x89PNG\r\n\x1a\n"), ...big(13, 4), ...text("IHDR"), ...big(width, 4), ...big(height, 4), depth, 6, 0, 0, 0];
}

/** Segments in front of the frame header, which has the marker `frame`. */
function jpeg(width: number, height: number, { frame = 0xc0, before = [] as number[] } = {}): number[] {
  return [0xff, 0xd8, ...before, 0xff, frame, 0, 17, 8, ...big(height, 2), ...big(width, 2), 3];
}

const segment = (marker: number, content: number[]) => [0xff, marker, ...big(content.length + 2, 2), ...content];

function gif(width: number, height: number, { table = false, before = [] as number[], frame = [0, 0, 1, 1] } = {}): number[] {
  const colours = table ? new Array<number>(3 * 256).fill(7) : [];
  return [...text("GIF89a"), ...little(width, 2), ...little(height, 2), table ? 0xf7 : 0x70, 0, 0, ...colours, ...before, 0x2c, ...frame.flatMap((n) => little(n, 2)), 0];
}

const riff = (chunk: string, content: number[]) => [...text("RIFF"), ...little(100, 4), ...text("WEBP"), ...text(chunk), ...little(content.length, 4), ...content];
const canvas = (width: number, height: number) => riff("VP8X", [0, 0, 0, 0, ...little(width - 1, 3), ...little(height - 1, 3)]);
const lossless = (width: number, height: number) => riff("VP8L", [0x2f, ...little(width - 1 + (height - 1) * 2 ** 14, 4)]);
const lossy = (width: number, height: number) => riff("VP8 ", [0, 0, 0, 0x9d, 0x01, 0x2a, ...little(width, 2), ...little(height, 2)]);

const box = (kind: string, content: number[]) => [...big(content.length + 8, 4), ...text(kind), ...content];
const ispe = (width: number, height: number) => box("ispe", [0, 0, 0, 0, ...big(width, 4), ...big(height, 4)]);
const properties = (...all: number[][]) => box("meta", [0, 0, 0, 0, ...box("hdlr", [1, 2, 3]), ...box("iprp", box("ipco", all.flat()))]);
const avif = (...all: number[][]) => [...box("ftyp", text("avif\0\0\0\0")), ...properties(...all), ...box("mdat", [1, 2, 3])];

/** A picture of each type, and its size. */
const pictures: [string, number[], number, number][] = [
  ["PNG", png(20_000, 19_000), 20_000, 19_000],
  ["JPEG", jpeg(4_000, 3_000), 4_000, 3_000],
  ["JPEG with metadata and tables", jpeg(5_000, 7, { before: [...segment(0xe1, text("Exif")), ...segment(0xc4, [1]), ...segment(0xdb, [2]), 0xff] }), 5_000, 7],
  ["JPEG with a picture in its metadata", jpeg(5_000, 6_000, { before: segment(0xe1, jpeg(16, 16)) }), 5_000, 6_000],
  ["JPEG with rubbish between segments", jpeg(5_000, 7, { before: [...segment(0xe0, []), 1, 2, 3] }), 5_000, 7],
  ["progressive JPEG", jpeg(65_535, 65_535, { frame: 0xc2 }), 65_535, 65_535],
  ["GIF", gif(640, 480), 640, 480],
  ["GIF with colours and comments", gif(640, 480, { table: true, before: [0x21, 0xfe, 2, 9, 9, 1, 9, 0, 0x21, 0xf9, 4, 0, 0, 0, 0, 0] }), 640, 480],
  ["GIF with a frame that is larger than its screen", gif(1, 1, { frame: [10, 20, 60_000, 50_000] }), 60_010, 50_020],
  ["WebP with a canvas", canvas(16_777_216, 9), 16_777_216, 9],
  ["lossless WebP", lossless(16_384, 3), 16_384, 3],
  ["lossy WebP", lossy(16_383, 5), 16_383, 5],
  ["AVIF", avif(ispe(20_000, 20_000)), 20_000, 20_000],
  ["AVIF with a thumbnail and parts", avif(ispe(160, 120), ispe(8_000, 6_000), ispe(512, 512)), 8_000, 6_000],
  [
    "AVIF that moves",
    [...box("ftyp", text("avis\0\0\0\0")), ...box("moov", [...box("mvhd", [0]), ...box("trak", box("tkhd", [...new Array<number>(76).fill(0), ...big(3_000, 2), 0, 0, ...big(2_000, 2), 0, 0]))])],
    3_000,
    2_000,
  ],
];

const sizeOf = (bytes: number[]) => {
  const start = Uint8Array.from(bytes);
  return pictureSize(start, pictureType(start) ?? "");
};

test("the size of a picture is read from its first bytes", () => {
  for (const [name, bytes, width, height] of pictures) {
    const size = sizeOf(bytes);
    assert.deepEqual([size?.width, size?.height], [width, height], name);
    assert.ok(size!.bytes >= width * height * 4, name);
  }
});

test("what a decoder needs besides the pixels counts", () => {
  assert.equal(sizeOf(png(100, 100))!.bytes, 40_000);
  assert.equal(sizeOf(png(100, 100, 16))!.bytes, 80_000);
  assert.equal(sizeOf(jpeg(100, 100))!.bytes, 40_000);
  assert.equal(sizeOf(jpeg(100, 100, { frame: 0xc2 }))!.bytes, 100_000);
});

test("a picture that is cut off tells no size that it does not have", () => {
  for (const [name, bytes, width, height] of pictures) {
    for (let length = 0; length < bytes.length; length++) {
      const size = sizeOf(bytes.slice(0, length));
      if (size !== undefined) assert.deepEqual([size.width, size.height], [width, height], `${name}, ${length} bytes`);
    }
  }
});

test("whatever the bytes are, it ends, and tells a size or none", () => {
  let seed = 1;
  const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
  for (const [, bytes] of pictures) {
    for (let round = 0; round < 500; round++) {
      const broken = [...bytes];
      for (let i = 0; i < 3; i++) broken[12 + random(Math.max(1, broken.length - 12))] = random(256);
      const size = sizeOf(broken);
      if (size !== undefined) assert.ok(size.width > 0 && size.height > 0 && Number.isFinite(size.bytes));
    }
  }
  for (const start of [text("\x89PNG\r\n\x1a\n"), [0xff, 0xd8, 0xff], text("GIF89a"), text("RIFFxxxxWEBPVP8 "), [...box("ftyp", text("avif"))]]) {
    for (const filling of [0, 1, 0x21, 0xff]) assert.equal(sizeOf([...start, ...new Array<number>(HEADER_BYTES / 10).fill(filling)])?.width, undefined);
  }
  assert.equal(sizeOf(png(0, 100)), undefined);
  assert.equal(sizeOf(jpeg(100, 0)), undefined);
  assert.equal(sizeOf([...text("\x89PNG\r\n\x1a\n"), ...big(13, 4), ...text("tEXt"), ...new Array<number>(20).fill(1)]), undefined);
  assert.equal(pictureSize(Uint8Array.from(png(9, 9)), "image/svg+xml"), undefined);
});
