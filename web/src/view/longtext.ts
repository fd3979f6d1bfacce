import { type TemplateResult, html, nothing } from "../../vendor/lit-html/lit-html.js";
import { saveAs } from "./save.js";
import type { Piece } from "./links.js";
import type { Page } from "./page.js";
import type { ShownText } from "./showntext.js";
import { number } from "./text.js";

/** The pieces of a block never change, and a discussion is rendered often. */
const rendered = new WeakMap<Piece[], TemplateResult[]>();

function pieces(block: Piece[]): TemplateResult[] {
  let found = rendered.get(block);
  if (found === undefined) {
    found = block.map(({ text, href }) =>
      href === undefined ? html`<span>${text}</span>` : html`<a href=${href} target="_blank" rel="noopener noreferrer">${text}</a>`,
    );
    rendered.set(block, found);
  }
  return found;
}

/** What is shown of a text. */
export function textBlocks({ blocks, first, long }: ShownText): TemplateResult[] {
  const shown = blocks.map(pieces);
  if (!long) return shown.flat();
  // The browser lays out the blocks that were asked for when they come near the view.
  return shown.map((block, index) => html`<span class=${index < first ? "block" : "block on-demand"}>${block}</span>`);
}

/**
 * Tells how much of a text is shown, with buttons to show more of it, to copy and to save it.
 * @param more the person wants to see more
 */
export function restOfText(shown: ShownText, page: Page, more: () => void): TemplateResult | typeof nothing {
  if (shown.whole) return nothing;
  const { words, language } = page;
  const { text } = shown;
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      shown.copied = true;
      page.changed();
    } catch {
      // The person can save the text.
    }
  };
  const button = (name: string, act: () => void) => html`<button type="button" class="btn btn-sm btn-quiet" @click=${act}>${name}</button>`;
  return html`<div class="rest">
    <span>${words.shownPart(number(shown.length, language), number(text.length, language))}</span>
    ${shown.hasMore ? button(words.showMore, more) : nothing}
    ${"clipboard" in navigator ? button(shown.copied ? words.copied : words.copyText, () => void copy()) : nothing}
    ${button(words.saveText, () => saveAs(new Blob([text], { type: "text/plain" }), `${words.message}.txt`))}
  </div>`;
}
