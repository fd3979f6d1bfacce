import { type TemplateResult, html, nothing } from "../../vendor/lit-html/lit-html.js";
import { type Words, say } from "../words.js";
import type { Device } from "./device.js";
import type { Page } from "./page.js";

/** What the person must know: what lasts, and the alert with the button that dismisses it. */
export function alert(page: Page): TemplateResult {
  const { device, messenger, words } = page;
  const { obstacle } = messenger;
  return html`
    <div role="status" class=${device.trouble === undefined ? nothing : "alert alert-warning notice"}>${troubleText(words, device.trouble)}</div>
    <div role="status" class=${obstacle === undefined ? nothing : "alert alert-warning notice"}>${obstacle === undefined ? "" : say(words, obstacle)}</div>
    ${passing(page)}
  `;
}

/** Says why what is to be kept is not kept, and what helps. */
export function troubleText(words: Words, trouble: Device["trouble"]): string {
  switch (trouble) {
    case undefined:
      return "";
    case "slow":
      return words.troubleSlow;
    case "blocked":
      return words.troubleBlocked;
    case "outdated":
      return words.troubleOutdated;
    case "failing":
      return words.troubleFailing;
    case "given-up":
      return words.troubleGivenUp;
    case "full":
      return words.troubleFull;
  }
}

function passing({ messenger, words }: Page): TemplateResult | typeof nothing {
  if (messenger.alert === undefined) return nothing;
  return html`
    <div class="alert alert-warning notice" role="alert">
      <span dir="auto">${say(words, messenger.alert)}</span>
      <button type="button" class="btn-close" aria-label=${words.dismiss} @click=${() => messenger.dismissAlert()}></button>
    </div>
  `;
}
