import { type TemplateResult, html, nothing } from "../../vendor/lit-html/lit-html.js";
import { say } from "../words.js";
import type { Page } from "./page.js";

/** The alert, if there is one, and the button that dismisses it. */
export function alert({ messenger, words }: Page): TemplateResult | typeof nothing {
  if (messenger.alert === undefined) return nothing;
  return html`
    <div class="alert alert-warning notice" role="alert">
      <span dir="auto">${say(words, messenger.alert)}</span>
      <button type="button" class="btn-close" aria-label=${words.dismiss} @click=${() => messenger.dismissAlert()}></button>
    </div>
  `;
}
