/** Which characters of a text can be seen. */

/**
 * A character class (RegExp, flag u) of what shows nothing but spaces or line breaks: white space, controls, everything that Unicode says may be
 * ignored when it is shown (DerivedCoreProperties.txt), the marks of interlinear annotations, and two symbols that are blank.
 */
const UNSEEN = String.raw`[\p{White_Space}\p{Cc}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb\u2800\u{1d159}]`;

const SEEN = new RegExp(UNSEEN.replace("[", "[^"), "u");

/** The index of the first character that can be seen; -1: there is none. */
export function firstSeen(text: string): number {
  return text.search(SEEN);
}

/** Scripts in which a joiner between two letters changes nothing, so that it only makes two names look alike. The other scripts need joiners. */
const UNJOINED = String.raw`\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Common}\p{Script=Inherited}`;

/** Sequences in which a character that cannot be seen by itself changes how the others look. */
const MEANT = [
  // Emoji (UTS #51, section 1.4.9): the flags of regions; pictographs with a variation selector, or joined; keycaps.
  String.raw`\u{1f3f4}[\u{e0030}-\u{e0039}\u{e0061}-\u{e007a}]{3,6}\u{e007f}`,
  String.raw`\p{Extended_Pictographic}(?:[\ufe0e\ufe0f]|\p{Emoji_Modifier})?(?:\u200d\p{Extended_Pictographic}(?:\ufe0f|\p{Emoji_Modifier})?)*`,
  String.raw`[0-9#*][\ufe0e\ufe0f]`,
  // Letters: joiners in the scripts that have them, and variants of ideographs and of Mongolian letters.
  String.raw`(?![${UNJOINED}])[\p{L}\p{M}][\u200c\u200d](?=[\p{L}\p{M}])`,
  String.raw`\p{Ideographic}[\ufe00-\ufe0f\u{e0100}-\u{e01ef}]`,
  String.raw`\p{Script=Mongolian}[\u180b-\u180d\u180f]`,
];

/** What is spelled out in a name. Spaces are not, but line breaks are. */
const SPELLED_OUT = String.raw`(?!\p{Zs})${UNSEEN}`;

const ANY_SPELLED_OUT = new RegExp(SPELLED_OUT, "u");
const MEANT_OR_SPELLED_OUT = new RegExp(`${MEANT.join("|")}|(${SPELLED_OUT})`, "gu");

/**
 * Returns a name as people can read it: characters that cannot be seen, or that change the order in which others are shown
 * (UAX #9), are spelled out as "[U+202E]". Names from outside are shown in this way only.
 */
export function legible(name: string): string {
  if (!ANY_SPELLED_OUT.test(name)) return name;
  return name.replace(MEANT_OR_SPELLED_OUT, (found, unseen?: string) => {
    if (unseen === undefined) return found;
    return `[U+${unseen.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}]`;
  });
}
