import { type TemplateResult, html, nothing } from "../../vendor/lit-html/lit-html.js";
import type { Words } from "../words.js";
import type { DialogContent, Page } from "./page.js";

/**
 * The page's only dialog element. It is always in the page, so that the browser can return the focus when it closes.
 * @param beside whether it opens beside what the person types: it takes no focus, and a status tells of it
 */
export function dialogElement(page: Page, content: DialogContent | undefined, beside: boolean): TemplateResult {
  const dismissed = () => {
    if (content?.urgent === true || (content?.unasked === true && !page.takesDecisions)) return;
    content?.dismissed?.();
    if (content?.unasked !== true) page.open(undefined); // A dialog that the person has opened is still behind it.
  };
  const cancel = (event: Event) => {
    event.preventDefault();
    dismissed();
  };
  // Browsers do that for a modal dialog.
  const keydown = (event: KeyboardEvent) => {
    if (beside && event.key === "Escape") dismissed();
  };
  // Browsers close a dialog at the second Escape, even if the page prevents it. Rendering opens it again.
  const closed = () => {
    if (content !== undefined) page.changed();
  };
  return html`
    <dialog
      id="dialog"
      role=${content?.urgent === true ? "alertdialog" : nothing}
      aria-labelledby="dialog-title"
      data-dialog=${content?.id ?? nothing}
      @cancel=${cancel}
      @keydown=${keydown}
      @close=${closed}
    >
      ${content === undefined
        ? nothing
        : html`
            <div class="dialog-head">
              <h2 id="dialog-title" dir="auto" tabindex="-1" ?autofocus=${content.focused !== true}>${content.title(page.words)}</h2>
              ${content.urgent === true
                ? nothing
                : html`<button type="button" class="btn-close" aria-label=${page.words.close} ?disabled=${content.unasked === true && !page.takesDecisions} @click=${dismissed}></button>`}
            </div>
            <div class="dialog-body">${content.body(page)}</div>
          `}
    </dialog>
    <div class="visually-hidden" role="status">${beside ? content?.title(page.words) : nothing}</div>
  `;
}

/** Opens or closes the element. Call it after the content is rendered. @param before the ID of the content before @param beside as for dialogElement */
export function settleDialog(root: HTMLElement, content: DialogContent | undefined, before: string | undefined, beside: boolean): void {
  const element = root.querySelector<HTMLDialogElement>("#dialog");
  if (element === null) return;
  // The element closes and opens again for other content, so that the focus goes to that.
  if (element.open && (content === undefined || content.id !== before)) element.close();
  if (content === undefined || element.open) return;
  if (beside) element.open = true;
  else element.showModal();
}

/** A dialog that asks before an action that cannot be undone. */
export function confirmation(title: (words: Words) => string, question: string, action: string, act: () => void): DialogContent {
  return {
    id: `confirm ${question}`,
    focused: true,
    title,
    body: (page) => html`
      <p dir="auto">${question}</p>
      <div class="dialog-actions">
        <button type="button" class="btn btn-outline-secondary" autofocus ?disabled=${!page.takesDecisions} @click=${() => page.open(undefined)}>${page.words.cancel}</button>
        <button
          type="button"
          class="btn btn-danger"
          ?disabled=${!page.takesDecisions}
          @click=${() => {
            page.open(undefined);
            act();
          }}
        >
          ${action}
        </button>
      </div>
    `,
  };
}
