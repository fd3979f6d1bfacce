/** An object from outside, such as parsed JSON. Nothing is known of its fields. */
export type Fields = Record<string, unknown>;

/** Reads an object from JSON. Returns undefined if the text is anything else. */
export function parseFields(text: string | undefined): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text ?? "");
    return isFields(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a value from outside is an object with fields. */
export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
