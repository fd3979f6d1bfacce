import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { inviteAddress, onlyHere } from "./invitelink.js";
import type { DialogContent, Page } from "./page.js";
import { qrCode } from "./qr.js";

/** Shows the invite link. Whoever opens it and joins is connected to this page's login. */
export function inviteDialog(page: Page): DialogContent {
  const link = inviteAddress(location.href, page.messenger.login ?? "");
  let copied = false;
  const copy = async () => {
    const field = document.getElementById("invite-link") as HTMLInputElement;
    field.select();
    try {
      await navigator.clipboard.writeText(link);
      copied = true;
      page.changed();
    } catch {
      // The link is selected. The person can copy it.
    }
  };
  return {
    id: "invite",
    title: ({ invite }) => invite,
    body: ({ words }) => html`
      <p>${words.inviteText}</p>
      <div class="invite-link">
        <label for="invite-link" class="visually-hidden">${words.inviteLink}</label>
        <input id="invite-link" class="form-control" type="text" readonly .value=${link} @focus=${(event: Event) => (event.target as HTMLInputElement).select()} />
        ${"clipboard" in navigator
          ? html`<button type="button" class="btn btn-primary" @click=${() => void copy()}>${copied ? words.copied : words.copy}</button>`
          : nothing}
      </div>
      ${onlyHere(link) ? html`<p class="quiet">${words.inviteHereOnly}</p>` : nothing} ${qrCode(link, words.inviteCode)}
    `,
  };
}
