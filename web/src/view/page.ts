import { type TemplateResult, html } from "../../vendor/lit-html/lit-html.js";
import type { Messenger } from "../messenger/messenger.js";
import type { Settings } from "../settings.js";
import type { Language, Words } from "../words.js";
import type { DialogContent } from "./dialog.js";
import type { Device } from "./settings.js";

/** What every part of the view works with. */
export interface Page {
  readonly messenger: Messenger;
  readonly settings: Settings;
  readonly device: Device;
  readonly words: Words;
  /** BCP 47 tag of the page's language. */
  readonly language: Language;
  /** What has come by itself is there long enough: a click or a key is meant for it. */
  readonly ready: boolean;
  /** Look again. */
  changed(): void;
  /** Opens a dialog in the place of the one that is open; undefined: closes that. */
  open(dialog: DialogContent | undefined): void;
}

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

/** A button that shows a picture, and says its name to whoever does not see that. */
export function iconButton(name: IconName, label: string, act: () => void): TemplateResult {
  return html`<button type="button" class="btn btn-icon" aria-label=${label} title=${label} @click=${act}>${icon(name)}</button>`;
}

/** Whose conversation it is, at a glance. */
export function avatar(name: string): TemplateResult {
  const initial = [...name][0]?.toUpperCase() ?? "";
  let sum = 0;
  for (const character of name.toLowerCase()) sum = (sum * 31 + character.codePointAt(0)!) % 997;
  return html`<span class="avatar" data-hue=${sum % 6} aria-hidden="true">${initial}</span>`;
}
