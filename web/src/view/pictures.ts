import { HEADER_BYTES, type PictureSize, pictureSize } from "../files/picturesize.js";

/** A picture that takes more bytes than this when decoded is shown as a smaller copy. A screenshot of 2560 × 1440 pixels takes less. */
const SHOWN_ITSELF = 16_000_000;
/**
 * A picture that takes more bytes than this when decoded is not shown. A picture of 50 megapixels takes this much. So do a progressive JPEG
 * of 20 and a PNG of 16 bits of 25.
 */
const MOST_DECODED = 200_000_000;
/** A file of more bytes is not decoded. */
const MOST_BYTES = 32_000_000;
/** The sides of the copy, at most, in pixels: twice what the page has room for. */
const COPY_SIDE = 1_280;
/** How many bytes are read first to find out the size. They are enough for most pictures. */
const FIRST_LOOK = 65_536;

/** What is shown of a picture. */
export type ShownPicture =
  /** Nothing: its size is not known, or it cannot be decoded. */
  | { readonly kind: "nothing" }
  /** Words: decoding it would take too much memory. */
  | { readonly kind: "large" }
  /** Its place: the copy is made when the place comes near the view. */
  | { readonly kind: "place"; readonly width: number; readonly height: number; readonly blob: Blob }
  /** The picture itself, or its copy. */
  | { readonly kind: "picture"; readonly blob: Blob };

/** The element that keeps a picture's place. */
export type PicturePlace = HTMLElement & { picture?: Blob };

/**
 * What is shown of the pictures in the discussion. A browser that decodes a picture needs memory for all its pixels, however small the
 * file is and however small the picture is shown. So the size is read first, and large pictures are decoded one after another.
 */
export class Pictures {
  readonly #shown = new WeakMap<Blob, ShownPicture>();
  /** The end of the decoding that was requested last. */
  #decoded: Promise<void> = Promise.resolve();
  readonly #near = new Set<Blob>();
  #watcher: IntersectionObserver | undefined;

  /** @param changed what is shown of a picture has changed */
  constructor(private readonly changed: () => void) {}

  /** Returns what is shown of a picture. @param type its MIME type */
  of(blob: Blob, type: string): ShownPicture {
    let shown = this.#shown.get(blob);
    if (shown === undefined) {
      shown = { kind: "nothing" };
      this.#shown.set(blob, shown);
      void this.#look(blob, type);
    }
    return shown;
  }

  /** Makes copies for the places that come near the view of a scrolled element. */
  watch(scrolled: HTMLElement | null): void {
    this.#watcher?.disconnect();
    this.#near.clear();
    if (scrolled === null) return;
    const crossed = (crossings: IntersectionObserverEntry[]) => {
      for (const { target, isIntersecting } of crossings) {
        const blob = (target as PicturePlace).picture;
        if (blob === undefined) continue;
        if (!isIntersecting) this.#near.delete(blob);
        else if (!this.#near.has(blob)) {
          this.#near.add(blob);
          this.#decoded = this.#decoded.then(() => this.#copy(blob));
        }
      }
    };
    this.#watcher = new IntersectionObserver(crossed, { root: scrolled, rootMargin: "100% 0px" });
  }

  /** The page was rendered: there may be new places. */
  settle(places: Iterable<PicturePlace>): void {
    for (const place of places) this.#watcher?.observe(place);
  }

  async #look(blob: Blob, type: string): Promise<void> {
    let size: PictureSize | undefined;
    try {
      for (const bytes of [FIRST_LOOK, HEADER_BYTES]) {
        size ??= pictureSize(new Uint8Array(await blob.slice(0, bytes).arrayBuffer()), type);
      }
    } catch {
      // The file is gone. Its entry says so.
    }
    this.#show(blob, firstShown(blob, size));
  }

  /** Makes the smaller copy of a picture, unless it has left the neighbourhood of the view meanwhile. */
  async #copy(blob: Blob): Promise<void> {
    if (!this.#near.delete(blob) || this.#shown.get(blob)?.kind !== "place") return;
    let copy: Blob | null = null;
    try {
      const decoded = await createImageBitmap(blob);
      const canvas = document.createElement("canvas");
      const { width, height } = fit(decoded);
      Object.assign(canvas, { width, height });
      // On a graphics card the picture would need its memory once more.
      const paint = canvas.getContext("2d", { willReadFrequently: true })!;
      paint.imageSmoothingQuality = "high";
      paint.drawImage(decoded, 0, 0, width, height);
      decoded.close();
      copy = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/webp", 0.85));
    } catch {
      // A file that only begins like a picture is not shown.
    }
    this.#show(blob, copy === null ? { kind: "nothing" } : { kind: "picture", blob: copy });
  }

  #show(blob: Blob, shown: ShownPicture): void {
    this.#shown.set(blob, shown);
    this.changed();
  }
}

/** What is shown of a picture before it is decoded. @param size its size; undefined: it does not say */
export function firstShown(blob: Blob, size: PictureSize | undefined): ShownPicture {
  if (size === undefined) return { kind: "nothing" };
  if (size.bytes > MOST_DECODED || blob.size > MOST_BYTES) return { kind: "large" };
  if (size.bytes <= SHOWN_ITSELF) return { kind: "picture", blob };
  return { kind: "place", ...fit(size), blob };
}

/** The size of a copy. */
function fit({ width, height }: { width: number; height: number }): { width: number; height: number } {
  const scale = Math.min(1, COPY_SIDE / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}
