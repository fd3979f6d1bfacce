import { type TemplateResult, html, nothing } from "../../vendor/lit-html/lit-html.js";
import type { Words } from "../words.js";
import type { Page } from "./page.js";

/** A dialog and what is in it. */
export interface DialogContent {
  /** Tells it from others: one that takes another's place begins anew. */
  id: string;
  title: (words: Words) => string;
  /** It asks for a decision that cannot be put off: it closes by its buttons only. */
  urgent?: boolean;
  body: (page: Page) => TemplateResult;
  /** Something in the body has the focus at first, as what is asked is there. Otherwise the title has it. */
  focused?: boolean;
  /**
   * It comes by itself, also under the hands of somebody who types or clicks: nothing that decides has the focus at first, and
   * all of it is disabled until the page is `ready`.
   */
  unasked?: boolean;
  /** Escape was pressed, or Close. */
  dismissed?: () => void;
}

/** The page's dialog element. There is one, always, so that the browser can give the focus back to where it was. */
export function dialogElement(page: Page, content: DialogContent | undefined): TemplateResult {
  const dismissed = () => {
    if (content?.urgent === true || (content?.unasked === true && !page.ready)) return;
    content?.dismissed?.();
    if (content?.unasked !== true) page.open(undefined); // What the person had opened is still behind it.
  };
  const cancel = (event: Event) => {
    event.preventDefault();
    dismissed();
  };
  // A browser closes a dialog at the second Escape, whatever the page says to it.
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
      @close=${closed}
    >
      ${content === undefined
        ? nothing
        : html`
            <div class="dialog-head">
              <h2 id="dialog-title" dir="auto" tabindex="-1" ?autofocus=${content.focused !== true}>${content.title(page.words)}</h2>
              ${content.urgent === true
                ? nothing
                : html`<button type="button" class="btn-close" aria-label=${page.words.close} ?disabled=${content.unasked === true && !page.ready} @click=${dismissed}></button>`}
            </div>
            <div class="dialog-body">${content.body(page)}</div>
          `}
    </dialog>
  `;
}

/** Opens or closes the element as its content wants it. Call it after the content is there. */
export function settleDialog(root: HTMLElement, content: DialogContent | undefined, before: string | undefined): void {
  const element = root.querySelector<HTMLDialogElement>("#dialog");
  if (element === null) return;
  // Another dialog in the same element is another dialog: the focus goes to where it begins.
  if (element.open && (content === undefined || content.id !== before)) element.close();
  if (content !== undefined && !element.open) element.showModal();
}

/** A dialog that asks before something is done that cannot be undone. */
export function confirmation(title: (words: Words) => string, question: string, action: string, act: () => void): DialogContent {
  return {
    id: `confirm ${question}`,
    focused: true,
    title,
    body: (page) => html`
      <p dir="auto">${question}</p>
      <div class="dialog-actions">
        <button type="button" class="btn btn-outline-secondary" autofocus ?disabled=${!page.ready} @click=${() => page.open(undefined)}>${page.words.cancel}</button>
        <button
          type="button"
          class="btn btn-danger"
          ?disabled=${!page.ready}
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
