import { type TemplateResult, html, nothing } from "../../vendor/lit-html/lit-html.js";
import { legible } from "../characters.js";
import type { Choices } from "../settings.js";
import { type Language, languages } from "../words.js";
import { troubleText } from "./alert.js";
import { confirmation } from "./dialog.js";
import { importDialog } from "./import.js";
import type { DialogContent, Page } from "./page.js";
import { saveAs } from "./save.js";

/** The settings. */
export function settingsDialog(): DialogContent {
  return { id: "settings", title: ({ settings }) => settings, body: settings };
}

function settings(page: Page): TemplateResult {
  const { settings, words, messenger, device } = page;
  const { choices } = settings;
  const dark = choices.darkMode ?? matchMedia("(prefers-color-scheme: dark)").matches;
  const notify = (on: boolean) => {
    if (!on || device.notifications === "granted") return settings.choose({ notifications: on });
    void device.askForNotifications().then(() => {
      settings.choose({ notifications: device.notifications === "granted" });
      page.changed();
    });
  };
  const refused = device.notifications === "missing" ? words.notificationsMissing : device.notifications === "denied" ? words.notificationsRefused : undefined;
  const chosen = (event: Event) => {
    const { value } = event.target as HTMLSelectElement;
    settings.choose({ language: value === "" ? undefined : (value as Language) });
  };
  const save = async () => {
    const text = await device.export();
    if (text === undefined) return;
    saveAs(new Blob([text], { type: "application/json" }), `p2p-messaging-${new Date().toISOString().slice(0, 10)}.json`);
  };
  const chosenFile = (event: Event) => {
    const file = (event.target as HTMLInputElement).files?.[0];
    if (file !== undefined) page.open(importDialog(page, file));
  };
  const deleteAll = () => page.open(confirmation(({ deleteAll }) => deleteAll, words.deleteAllQuestion, words.deleteIt, () => void device.deleteEverything()));
  const renew = () => page.open(confirmation(({ newIdentity }) => newIdentity, words.newIdentityQuestion, words.newIdentity, () => void messenger.renewIdentity()));
  return html`
    ${toggle(page, "darkMode", words.darkMode, dark)}
    <div class="setting">
      <label for="language">${words.languageLabel}</label>
      <select id="language" class="form-select" @change=${chosen}>
        <option value="" ?selected=${choices.language === undefined}>${words.languageOfBrowser}</option>
        ${Object.entries(languages).map(
          ([tag, { language }]) => html`<option value=${tag} lang=${tag} ?selected=${choices.language === tag}>${language}</option>`,
        )}
      </select>
    </div>
    ${toggle(page, "notifications", words.notifications, choices.notifications && device.notifications === "granted", refused ?? words.notificationsHint, notify)}
    ${toggle(page, "askFirst", words.askFirst, choices.askFirst, words.askFirstHint)}
    ${toggle(page, "relayOnly", words.relayOnly, choices.relayOnly, words.relayOnlyHint)}
    ${toggle(page, "readReceipts", words.readReceipts, choices.readReceipts, words.readReceiptsHint)}
    ${choices.blocked.length === 0
      ? nothing
      : html`<h3>${words.blockedLogins}</h3>
          <ul class="blocked">
            ${choices.blocked.map(
              (key) => html`<li>
                <span dir="auto">${legible(key)}</span>
                <button
                  type="button"
                  class="btn btn-sm btn-outline-secondary"
                  @click=${() => messenger.unblock(key)}
                >
                  ${words.unblock(key)}
                </button>
              </li>`,
            )}
          </ul>`}
    <h3>${words.onThisDevice}</h3>
    ${toggle(page, "offTheRecord", words.offTheRecord, choices.offTheRecord, words.offTheRecordHint)}
    ${device.keeps === false ? html`<p class="quiet">${words.notKept}</p>` : nothing}
    ${device.trouble === undefined ? nothing : html`<p class="alert alert-warning">${troubleText(words, device.trouble)}</p>`}
    ${settings.kept ? nothing : html`<p class="quiet">${words.settingsNotKept}</p>`}
    <p class="quiet">${messenger.identityKept === false ? words.identityPassing : words.identityHint}</p>
    <div class="dialog-actions">
      <button type="button" class="btn btn-sm btn-outline-secondary" title=${words.exportHint} @click=${() => void save()}>${words.exportAll}</button>
      <button type="button" class="btn btn-sm btn-outline-secondary" title=${words.importHint} @click=${() => document.getElementById("import-file")?.click()}>${words.importFile}</button>
      <input id="import-file" type="file" accept=".json,application/json" hidden @change=${chosenFile} />
      <button type="button" class="btn btn-sm btn-outline-secondary" @click=${renew}>${words.newIdentity}</button>
      <button type="button" class="btn btn-sm btn-outline-danger" @click=${deleteAll}>${words.deleteAll}</button>
    </div>
  `;
}

type Toggle = { [K in keyof Choices]: boolean extends Choices[K] ? K : never }[keyof Choices];

function toggle(page: Page, name: Toggle, label: string, on: boolean, hint?: string, act?: (on: boolean) => void): TemplateResult {
  const change = (event: Event) => {
    const field = event.target as HTMLInputElement;
    if (act === undefined) page.settings.choose({ [name]: field.checked });
    else {
      act(field.checked);
      field.checked = on; // It changes when the person has decided.
    }
  };
  return html`
    <div class="setting form-check form-switch">
      <label for="setting-${name}">${label}</label>
      <input
        id="setting-${name}"
        class="form-check-input"
        type="checkbox"
        role="switch"
        aria-describedby=${hint === undefined ? nothing : `hint-${name}`}
        .checked=${on}
        @change=${change}
      />
      ${hint === undefined ? nothing : html`<p id="hint-${name}" class="quiet">${hint}</p>`}
    </div>
  `;
}
