import { type TemplateResult, html, nothing } from "../../vendor/lit-html/lit-html.js";
import { alert } from "./alert.js";
import { icon } from "./icons.js";
import { type Invitation, invitationIn } from "./invitelink.js";
import { keepFromSubmitting } from "./keys.js";
import type { Page } from "./page.js";

/** What the form needs beyond the page. */
export interface JoinHost {
  lastLogin: string;
  /** The login in the page's invite link; undefined: none. */
  invitedBy: string | undefined;
  /** The person has typed a login. */
  typed(login: string): void;
  /** The person has typed an invite link in place of a login. */
  invited(invitation: Invitation): void;
}

/** The form in which a person chooses a login. */
export function joinView(page: Page, { lastLogin, invitedBy, typed, invited }: JoinHost): TemplateResult {
  const { messenger, words } = page;
  const { joining } = messenger;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (joining) return;
    const field = document.getElementById("login") as HTMLInputElement;
    const invitation = invitationIn(field.value, location.href);
    if (invitation !== undefined) {
      if ("login" in invitation) field.value = "";
      invited(invitation);
      return;
    }
    typed(field.value);
    void messenger.join(field.value);
  };
  return html`
    <main class="join">
      <form class="card" @submit=${submit} novalidate>
        <div class="emblem">${icon("bubbles")}</div>
        <p class="lead">${words.lead}</p>
        <p class="text-body-secondary" dir="auto">${invitedBy === undefined ? words.explanation : words.invitedBy(invitedBy)}</p>
        <div class="form-floating">
          <input
            id="login"
            class="form-control"
            type="text"
            placeholder=${words.login}
            autocomplete="nickname"
            autocapitalize="none"
            spellcheck="false"
            dir="auto"
            value=${lastLogin}
            autofocus
            @keydown=${keepFromSubmitting}
          />
          <label for="login">${words.login}</label>
        </div>
        <button class="btn btn-primary btn-lg" aria-disabled=${joining ? "true" : nothing}>${joining ? words.joining : words.join}</button>
        ${alert(page)}
        <div class="waiting">
          <span role="status">${joining ? words.joinWaits : nothing}</span>
          ${joining ? html`<button type="button" class="btn btn-sm btn-link" @click=${() => messenger.cancelJoin()}>${words.cancel}</button>` : nothing}
        </div>
      </form>
    </main>
  `;
}
