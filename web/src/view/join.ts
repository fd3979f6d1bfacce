import { type TemplateResult, html, nothing } from "../../vendor/lit-html/lit-html.js";
import { alert } from "./alert.js";
import { icon } from "./icons.js";
import type { Page } from "./page.js";

/** The form in which a person chooses a login. */
export function joinView(page: Page, lastLogin: string, typed: (login: string) => void, invitedBy: string | undefined): TemplateResult {
  const { messenger, words } = page;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const field = document.getElementById("login") as HTMLInputElement;
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
          />
          <label for="login">${words.login}</label>
        </div>
        <button class="btn btn-primary btn-lg" aria-disabled=${messenger.joining ? "true" : nothing}>${words.join}</button>
        ${alert(page)}
      </form>
    </main>
  `;
}
