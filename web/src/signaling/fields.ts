/** An object from outside, such as parsed JSON. Nothing is known of its fields. */
export type Fields = Record<string, unknown>;

/** Whether a value from outside is an object with fields. */
export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
