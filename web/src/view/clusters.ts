const clusters = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** How much of the text after a cut is examined, in UTF-16 units. No cluster that people write is longer. */
const LOOK_AHEAD = 64;

/**
 * Returns where to cut a text so that a reader sees it: at `end` or before it, and not inside a grapheme cluster (UAX #29), such
 * as a letter with its marks or a family of emoji. A cluster that begins at `start` and is longer than that is cut between characters.
 * @param start where a cluster begins. It is less than `end`
 */
export function cutAt(text: string, start: number, end: number): number {
  if (end >= text.length) return text.length;
  const at = clusters.segment(text.slice(start, end + LOOK_AHEAD)).containing(end - start)!.index;
  if (at > 0) return start + at;
  const last = text.charCodeAt(end - 1);
  return last >= 0xd800 && last <= 0xdbff && end - 1 > start ? end - 1 : end;
}
