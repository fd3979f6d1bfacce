import { type TemplateResult, html } from "../../vendor/lit-html/lit-html.js";
import { type Language, localeFor } from "../words.js";

const formats = new Map<string, Intl.DateTimeFormat>();
const numbers = new Map<string, Intl.NumberFormat>();

/** Formats are kept, because making one takes longer than using it a hundred times. */
function format(language: Language, name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${language} ${name}`;
  let found = formats.get(key);
  if (found === undefined) {
    formats.set(key, (found = new Intl.DateTimeFormat(localeFor(language, navigator.languages), options)));
  }
  return found;
}

export function clock(date: Date, language: Language): TemplateResult {
  const shown = format(language, "time", { hour: "2-digit", minute: "2-digit" }).format(date);
  return html`<time datetime=${date.toISOString()}>${shown}</time>`;
}

export function exactClock(date: Date, language: Language): string {
  return format(language, "exact", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(date);
}

export function day(date: Date, language: Language): string {
  return format(language, "day", { weekday: "long", day: "numeric", month: "long", year: "numeric" }).format(date);
}

export function number(value: number, language: Language): string {
  const digits = value < 10 ? 1 : 0;
  const key = `${language} ${digits}`;
  let found = numbers.get(key);
  if (found === undefined) numbers.set(key, (found = new Intl.NumberFormat(language, { maximumFractionDigits: digits })));
  return found.format(value);
}
