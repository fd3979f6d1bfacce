/** Something that has been added to a list. The clock by which it has its time may have jumped. */
interface Timed {
  readonly time: Date;
}

/**
 * Merges two lists. Each keeps its order. Where what they have in common does not say which comes first, the time does.
 * @param same for the index of each element of `there` that is in `here` too: its index there
 */
export function merge<T extends Timed>(here: readonly T[], there: readonly T[], same: ReadonlyMap<number, number>): T[] {
  const merged: T[] = [];
  let taken = 0;
  const takeUpTo = (end: number, time?: Date) => {
    while (taken < end && (time === undefined || here[taken]!.time <= time)) merged.push(here[taken++]!);
  };
  // An element of `there` comes before the next one that both have.
  const ends: number[] = [];
  for (let i = there.length - 1, end = here.length; i >= 0; i--) ends[i] = end = same.get(i) ?? end;
  there.forEach((element, i) => {
    const common = same.get(i);
    if (common !== undefined) return takeUpTo(common + 1);
    takeUpTo(ends[i]!, element.time);
    merged.push(element);
  });
  takeUpTo(here.length);
  return merged;
}

/**
 * Finds the elements of `there` that are in `here` too. Equal names are the same element, and of several with one name, the first is the
 * first, the second the second.
 */
export function inCommon(here: readonly (string | undefined)[], there: readonly string[]): Map<number, number> {
  const places = new Map<string, number[]>();
  here.forEach((name, i) => {
    if (name === undefined) return;
    const found = places.get(name);
    if (found === undefined) places.set(name, [i]);
    else found.push(i);
  });
  const next = new Map<string, number>();
  const common = new Map<number, number>();
  there.forEach((name, i) => {
    const nth = next.get(name) ?? 0;
    const place = places.get(name)?.[nth];
    if (place === undefined) return;
    next.set(name, nth + 1);
    common.set(i, place);
  });
  return common;
}
