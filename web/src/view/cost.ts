/*
 * What it costs to lay out a text. The unit is the time for one letter of a Latin text, 0.4 µs on the machine where the rates were
 * measured. Chromium was measured with 200,000 UTF-16 units of each kind.
 */

/** A line has a box of its own, which screen readers are told about. */
const LINE = 20;
/** A browser looks up words in a dictionary to break lines of Thai, Lao, Khmer and Burmese. */
const WITHOUT_SPACES = 12;
/** Where the direction changes, a run begins that is ordered and shaped by itself. */
const TURN = 12;
/** Where the script changes, a run begins that is shaped by itself, perhaps in another font. */
const RUN = 6;
/** A link is an element that can have the focus. */
const LINK = 100;
/** A character that is not Latin. */
const OTHER = 2;

// Kinds of UTF-16 units. Those of other scripts follow, one for each 256 units.
const LATIN = 0;
const RIGHT_TO_LEFT = 1;
const NO_SPACES = 2;
const PICTOGRAPH = 3;
const SCRIPTS = 4;

/** Returns what it costs to lay out a text. It stops at the first sum that is over `most`. */
export function layoutCost(text: string, most = Infinity): number {
  let cost = 0;
  let before = LATIN;
  for (let i = 0; i < text.length && cost <= most; i++) {
    const unit = text.charCodeAt(i);
    if (unit <= 0x20 || (unit >= 0x2028 && unit <= 0x2029)) {
      cost += unit === 0x20 || unit === 0x09 ? 1 : LINE;
      continue;
    }
    if (unit === 0x3a && text.startsWith("//", i + 1)) cost += LINK;
    const kind = kindOf(unit);
    cost += kind === LATIN ? 1 : kind === NO_SPACES ? WITHOUT_SPACES : OTHER;
    if (kind !== before) cost += kind === RIGHT_TO_LEFT || before === RIGHT_TO_LEFT ? TURN : RUN;
    before = kind;
  }
  return cost;
}

function kindOf(unit: number): number {
  if (unit < 0x300) return LATIN;
  if ((unit >= 0x590 && unit <= 0x8ff) || (unit >= 0xfb1d && unit <= 0xfdff) || (unit >= 0xfe70 && unit <= 0xfeff)) return RIGHT_TO_LEFT;
  // Marks and controls that change the direction, and the first surrogates of the scripts that are written from the right.
  if (unit === 0x200f || (unit >= 0x202a && unit <= 0x202e) || (unit >= 0x2066 && unit <= 0x2069)) return RIGHT_TO_LEFT;
  if (unit === 0xd802 || unit === 0xd803 || unit === 0xd83a || unit === 0xd83b) return RIGHT_TO_LEFT;
  if ((unit >= 0xe00 && unit <= 0xeff) || (unit >= 0x1000 && unit <= 0x109f) || (unit >= 0x1780 && unit <= 0x17ff)) return NO_SPACES;
  if (unit >= 0x1950 && unit <= 0x1aaf) return NO_SPACES;
  if ((unit >= 0xaa60 && unit <= 0xaadf) || (unit >= 0xa9e0 && unit <= 0xa9ff)) return NO_SPACES;
  if ((unit >= 0xd800 && unit <= 0xdfff) || unit === 0x200d || unit === 0xfe0f) return PICTOGRAPH;
  return SCRIPTS + (unit >> 8);
}
