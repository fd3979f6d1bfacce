import { type TemplateResult, html, nothing } from "../../vendor/lit-html/lit-html.js";
import { say } from "../words.js";
import { icon, iconButton } from "./icons.js";
import type { Page } from "./page.js";
import { settingsDialog } from "./settings.js";

/** The bar at the top: the name, the state of the service, the login, and the buttons for settings and Sign out. */
export function bar(page: Page, joined: boolean): TemplateResult {
  const { messenger, words } = page;
  const { login } = messenger;
  return html`
    <header class=${joined ? "bar joined" : "bar"}>
      <h1 class="brand">${icon("bubbles")} <span>${words.name}</span></h1>
      ${status(page)}
      <div class="account">
        ${login === undefined ? nothing : html`<span class="welcome" dir="auto">${words.welcome(login)}</span>`}
        ${iconButton("gear", words.settings, () => page.open(settingsDialog()))}
        ${login === undefined
          ? nothing
          : html`<button type="button" class="btn btn-sm btn-outline-secondary sign-out" @click=${() => messenger.signOut()}>${words.signOut}</button>`}
      </div>
    </header>
  `;
}

function status({ messenger, words }: Page): TemplateResult {
  const state = messenger.service;
  const offline = !navigator.onLine && state.kind !== "connected";
  const label = () => {
    switch (state.kind) {
      case "connected":
        return words.connected;
      case "connecting":
        return offline ? words.offlineConnecting : words.connecting;
      case "waiting": {
        const seconds = Math.max(1, Math.ceil((state.until - performance.now()) / 1_000));
        // Screen readers announce the change of state, but not each second of the countdown.
        return html`${offline ? words.offlineConnectingIn : words.connectingIn} <span aria-live="off">${seconds}</span> ${words.seconds}`;
      }
      case "stopped":
        return words.offline(say(words, state.reason));
    }
  };
  const away = state.kind === "stopped" || state.kind === "waiting";
  return html`
    <div class="state">
      <div role="status" aria-label=${words.connection} class="status" data-state=${state.kind}>
        <span class="dot" aria-hidden="true"></span><span>${label()}</span>
      </div>
      ${away
        ? html`<button type="button" class="btn btn-sm btn-link" @click=${() => messenger.connectToService()}>
            ${state.kind === "stopped" ? words.connectAgain : words.tryNow}
          </button>`
        : nothing}
    </div>
  `;
}
