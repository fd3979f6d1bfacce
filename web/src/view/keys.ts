/**
 * Whether a key belongs to an input method, which composes a text (UI Events, section 3.8). Its Enter takes a suggestion and its Escape drops
 * one: neither is meant for the page. Safari sends the key after the composition has ended, when only the key code tells.
 */
export function composes({ isComposing, keyCode }: KeyboardEvent): boolean {
  return isComposing || keyCode === 229;
}

/** Keeps Enter that belongs to an input method from submitting the form of a field. */
export function keepFromSubmitting(event: KeyboardEvent): void {
  if (event.key === "Enter" && composes(event)) event.preventDefault();
}
