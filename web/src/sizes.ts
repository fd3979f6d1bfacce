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

function format(language: string, unit: number, digits: number): Intl.NumberFormat {
  const unitDisplay = unit === 0 ? "long" : "short";
  const make = () => new Intl.NumberFormat(language, { style: "unit", unit: UNITS[unit]!, unitDisplay, maximumFractionDigits: digits });
  return kept(`${language} ${unit} ${digits}`, make);
}

const formats = new Map<string, unknown>();

/** Returns the format of this name. Formats are kept, because making one takes longer than using it a hundred times. */
export function kept<Format>(name: string, make: () => Format): Format {
  if (!formats.has(name)) formats.set(name, make());
  return formats.get(name) as Format;
}
