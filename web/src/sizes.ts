const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

/** Formats a number of bytes for people, in a language: "1.5 MB". */
export function size(bytes: number, language: string): string {
  let unit = 0;
  let value = bytes;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return format(language, unit, unit > 0 && value < 10 ? 1 : 0).format(value);
}

const formats = new Map<string, Intl.NumberFormat>();

/** Formats are kept, because making one takes longer than using it a hundred times. */
function format(language: string, unit: number, digits: number): Intl.NumberFormat {
  const key = `${language} ${unit} ${digits}`;
  let found = formats.get(key);
  if (found === undefined) {
    const unitDisplay = unit === 0 ? "long" : "short";
    found = new Intl.NumberFormat(language, { style: "unit", unit: UNITS[unit]!, unitDisplay, maximumFractionDigits: digits });
    formats.set(key, found);
  }
  return found;
}
