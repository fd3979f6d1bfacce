/** What a JSON object, or one that the browser has kept, has in it, if anything. */
export type Fields = Record<string, unknown>;

/** Whether a value from elsewhere is an object with fields. */
export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
