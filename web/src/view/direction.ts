/** How much of a text is examined, in UTF-16 units. */
const LOOK_AT = 500;

const LETTER = /\p{L}/u;
const RIGHT_TO_LEFT =
  /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Samaritan}\p{Script=Mandaic}\p{Script=Adlam}]/u;

/**
 * The direction of a text, told by its first letter as `dir="auto"` does. A text field with that attribute lays out
 * all its paragraphs again on every change. The time is quadratic in the text's length: 30 s for 1 MB.
 */
export function direction(text: string): "ltr" | "rtl" {
  const letter = LETTER.exec(text.slice(0, LOOK_AT))?.[0];
  return letter !== undefined && RIGHT_TO_LEFT.test(letter) ? "rtl" : "ltr";
}

/** Gives a field the direction of the text in it. To set the same direction again makes the browser compute the field's styles. */
export function setDirection(field: HTMLTextAreaElement, text: string): void {
  const dir = direction(text);
  if (field.dir !== dir) field.dir = dir;
}
