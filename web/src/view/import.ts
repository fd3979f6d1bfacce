import { type TemplateResult, html, nothing } from "../../vendor/lit-html/lit-html.js";
import type { ImportSummary } from "../conversation/importing.js";
import { type Phrase, say } from "../words.js";
import type { Import } from "./device.js";
import type { DialogContent, Page } from "./page.js";
import { number } from "./text.js";

/** How many logins are named. */
const NAMED = 5;

type Stage = { kind: "reading" } | { kind: "asks"; file: Import } | { kind: "importing" } | { kind: "done"; summary: ImportSummary } | { kind: "refused"; why: Phrase };

/** Reads a file that Export has saved, says what importing it does, and imports it if the person wants that. */
export function importDialog(page: Page, file: Blob): DialogContent {
  let stage: Stage = { kind: "reading" };
  const go = (next: Stage) => {
    stage = next;
    page.changed();
  };
  void page.device.readImport(file).then((found) => go("key" in found ? { kind: "refused", why: found } : { kind: "asks", file: found }));
  const bringIn = async ({ bringIn }: Import) => {
    go({ kind: "importing" });
    const found = await bringIn();
    go("key" in found ? { kind: "refused", why: found } : { kind: "done", summary: found });
  };
  return { id: "confirm import", title: ({ importFile }) => importFile, body: (page) => body(page, stage, (asked) => void bringIn(asked)) };
}

function body(page: Page, stage: Stage, bringIn: (asked: Import) => void): TemplateResult {
  const { words } = page;
  const asked = stage.kind === "asks" && stage.file.summary.added > 0 ? stage.file : undefined;
  return html`
    <div role="status">${said(page, stage)}</div>
    ${asked === undefined
      ? nothing
      : html`<div class="dialog-actions">
          <button type="button" class="btn btn-outline-secondary" @click=${() => page.open(undefined)}>${words.cancel}</button>
          <button type="button" class="btn btn-primary" @click=${() => bringIn(asked)}>${words.importFile}</button>
        </div>`}
  `;
}

function said({ words, language }: Page, stage: Stage): TemplateResult {
  const count = (value: number) => number(value, language);
  switch (stage.kind) {
    case "reading":
      return html`<p>${words.importReading}</p>`;
    case "importing":
      return html`<p>${words.importing}</p>`;
    case "refused":
      return html`<p dir="auto">${say(words, stage.why)}</p>`;
    case "done":
      return html`<p>${words.imported(count(stage.summary.added))}</p>`;
    case "asks": {
      const { conversations, messages, added, logins } = stage.file.summary;
      if (conversations === 0) return html`<p>${words.importNone}</p>`;
      const named = logins.slice(0, NAMED).join(", ") + (logins.length > NAMED ? ", …" : "");
      return html`
        <p>${words.importAll(count(conversations), count(messages))} ${words.importNew(count(added))}</p>
        ${added === 0 ? nothing : html`<p dir="auto">${words.importLogins(named)}</p>`}
        <p class="quiet">${words.importNotes}</p>
      `;
    }
  }
}
