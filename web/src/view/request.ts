import { html } from "../../vendor/lit-html/lit-html.js";
import type { Request } from "../call/calls.js";
import { loginKey } from "../signaling/logins.js";
import type { DialogContent, Page } from "./page.js";

/** Asks whether to accept a call. */
export function requestDialog(page: Page, request: Request): DialogContent {
  const { words, messenger } = page;
  const { peer } = request;
  const key = loginKey(peer);
  // The caller may have called again since. The newest request counts.
  const decide = (act: (request: Request) => void) => () => {
    const newest = messenger.requests.find((other) => loginKey(other.peer) === key);
    if (newest !== undefined) act(newest);
  };
  const decline = decide((newest) => messenger.decline(newest));
  return {
    id: `request ${key}`,
    title: ({ requestFrom }) => requestFrom(peer),
    unasked: true,
    dismissed: decline,
    body: ({ takesDecisions }) => html`
      <p dir="auto">${words.requestText(peer)}</p>
      <div class="dialog-actions">
        <button type="button" class="btn btn-link block" ?disabled=${!takesDecisions} @click=${() => messenger.block(peer)}>${words.block(peer)}</button>
        <button type="button" class="btn btn-outline-secondary" ?disabled=${!takesDecisions} @click=${decline}>${words.decline}</button>
        <button type="button" class="btn btn-primary" ?disabled=${!takesDecisions} @click=${decide((newest) => messenger.accept(newest))}>${words.accept}</button>
      </div>
    `,
  };
}
