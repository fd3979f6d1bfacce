import { type TemplateResult, html } from "../../vendor/lit-html/lit-html.js";
import { kept } from "../sizes.js";
import { type Language, localeFor } from "../words.js";

function format(language: Language, name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  return kept(`${language} ${name}`, () => new Intl.DateTimeFormat(localeFor(language, navigator.languages), options));
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
  return kept(`${language} ${digits}`, () => new Intl.NumberFormat(language, { maximumFractionDigits: digits })).format(value);
}
