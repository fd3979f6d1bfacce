import { html } from "../../vendor/lit-html/lit-html.js";
import type { Request } from "../calls.js";
import type { DialogContent } from "./dialog.js";
import type { Page } from "./page.js";

/** Somebody wants to connect. */
export function requestDialog(page: Page, request: Request): DialogContent {
  const { words, messenger } = page;
  const { peer } = request;
  const decline = () => messenger.decline(request);
  return {
    id: `request ${request.id}`,
    title: ({ requestFrom }) => requestFrom(peer),
    unasked: true,
    dismissed: decline,
    body: ({ ready }) => html`
      <p dir="auto">${words.requestText(peer)}</p>
      <div class="dialog-actions">
        <button type="button" class="btn btn-link block" ?disabled=${!ready} @click=${() => messenger.block(peer)}>${words.block(peer)}</button>
        <button type="button" class="btn btn-outline-secondary" ?disabled=${!ready} @click=${decline}>${words.decline}</button>
        <button type="button" class="btn btn-primary" ?disabled=${!ready} @click=${() => messenger.accept(request)}>${words.accept}</button>
      </div>
    `,
  };
}
