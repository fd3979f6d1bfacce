import { type TemplateResult, html } from "../../vendor/lit-html/lit-html.js";
import { legible } from "../characters.js";

/** The pictures that index.html defines. */
export type IconName =
  | "bubbles"
  | "send"
  | "check"
  | "read"
  | "clock"
  | "down"
  | "attach"
  | "back"
  | "gear"
  | "shield"
  | "info"
  | "block"
  | "trash"
  | "invite";

export function icon(name: IconName): TemplateResult {
  return html`<svg class="icon" aria-hidden="true" focusable="false"><use href="#icon-${name}"></use></svg>`;
}

/** A button that shows an icon. Its name is a tooltip, and what screen readers say. */
export function iconButton(name: IconName, label: string, act: () => void): TemplateResult {
  return html`<button type="button" class="btn btn-icon" aria-label=${label} title=${label} @click=${act}>${icon(name)}</button>`;
}

/** A circle with a login's initial, in a colour that depends on the login. */
export function avatar(name: string): TemplateResult {
  const initial = [...legible(name)][0]?.toUpperCase() ?? "";
  let sum = 0;
  for (const character of name.toLowerCase()) sum = (sum * 31 + character.codePointAt(0)!) % 997;
  return html`<span class="avatar" data-hue=${sum % 6} aria-hidden="true">${initial}</span>`;
}
