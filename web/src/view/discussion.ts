import { repeat } from "../../vendor/lit-html/directives/repeat.js";
import { type TemplateResult, html, nothing } from "../../vendor/lit-html/lit-html.js";
import { firstSeen, legible } from "../characters.js";
import { type Entry, textLength } from "../conversation/conversation.js";
import type { Transfer } from "../files/transfer.js";
import type { LiveConversation } from "../messenger/liveconversation.js";
import { say } from "../words.js";
import { fileEntry, keptFile } from "./files.js";
import { type Piece, blocks } from "./links.js";
import { icon } from "./icons.js";
import type { Page } from "./page.js";
import { clock, day } from "./text.js";

/** How many entries are shown at first. A browser needs seconds to lay out thousands. */
const SHOWN_AT_FIRST = 200;
/** Fewer are shown if they have more text than this together, in UTF-16 units. */
const TEXT_AT_FIRST = 1_000_000;
/** The log follows the newest message while it is scrolled up by less than this, in pixels. */
const FOLLOW_WITHIN = 48;

/** The blocks of each text. A text in which nothing can be seen has none. */
const texts = new WeakMap<Entry, Piece[][]>();

/** The index of the first entry to show: `most` of them, or fewer if they have much text, but at least one. */
function firstShown(entries: readonly Entry[], most: number): number {
  let text = 0;
  let first = entries.length;
  while (first > Math.max(0, entries.length - most) && text < (TEXT_AT_FIRST * most) / SHOWN_AT_FIRST) text += textLength(entries[--first]!);
  return first;
}

/** The discussion of the front conversation. */
export class Discussion {
  /** Whether the newest message is kept in sight. */
  following = true;
  /** How many entries are shown. */
  readonly #shown = new WeakMap<LiveConversation, number>();
  #conversation: LiveConversation | undefined;
  /** The log's last scrollTop. */
  #top = 0;
  #newest: Entry | undefined;
  readonly #resized = new ResizeObserver(() => this.follow());
  #observed: HTMLElement | null = null;

  constructor(private readonly page: Page) {}

  render(conversation: LiveConversation | undefined): TemplateResult {
    const { words } = this.page;
    const entries = conversation?.entries ?? [];
    if (conversation !== this.#conversation) {
      this.#conversation = conversation;
      this.following = true;
    }
    const newest = entries.at(-1);
    if (newest !== this.#newest && (newest?.kind === "own" || (newest?.kind === "file" && newest.own))) this.following = true;
    this.#newest = newest;
    const most = conversation === undefined ? 0 : (this.#shown.get(conversation) ?? SHOWN_AT_FIRST);
    const first = firstShown(entries, most);
    const shown = entries.slice(first);
    const earlier = first > 0 || conversation?.hasEarlier === true;
    const scrolled = (event: Event) => {
      const log = event.currentTarget as HTMLElement;
      const following = log.scrollTop + log.clientHeight >= log.scrollHeight - FOLLOW_WITHIN;
      // If the content has only grown, nobody has scrolled.
      const up = log.scrollTop < this.#top;
      this.#top = log.scrollTop;
      if (following === this.following || (!following && !up)) return;
      this.following = following;
      this.page.changed();
    };
    return html`
      <div class="discussion">
        <div id="discussion" role="log" aria-label=${words.discussion} tabindex="0" @scroll=${scrolled}>
          ${earlier
            ? html`<button type="button" class="btn btn-sm btn-quiet earlier" @click=${() => this.#showEarlier(conversation!)}>${words.earlier}</button>`
            : nothing}
          <ul>
            ${repeat(
              shown,
              ({ id }) => id,
              (entry, index) => this.#entry(conversation!, entry, shown[index - 1]),
            )}
          </ul>
          ${entries.length === 0 ? html`<p class="empty">${words.empty}</p>` : nothing}
        </div>
        ${this.following
          ? nothing
          : html`<button type="button" class="btn btn-sm btn-primary newest" @click=${() => this.#toNewest()}>${icon("down")}${words.newest}</button>`}
      </div>
      <div class="typing" aria-live="off" dir="auto">${conversation?.typing === true ? words.isTyping(conversation.peer) : nothing}</div>
    `;
  }

  /** Scrolls to the newest message if the log follows it. Call it after each rendering. */
  follow(): void {
    const log = document.getElementById("discussion");
    if (log !== this.#observed) {
      this.#resized.disconnect();
      if (log !== null) this.#resized.observe(log);
      this.#observed = log;
    }
    if (log === null || !this.following) return;
    log.scrollTop = log.scrollHeight;
    this.#top = log.scrollTop;
  }

  #toNewest(): void {
    this.following = true;
    this.follow();
    document.getElementById("message")?.focus();
    this.page.changed();
  }

  async #showEarlier(conversation: LiveConversation): Promise<void> {
    const log = document.getElementById("discussion");
    const below = log === null ? 0 : log.scrollHeight - log.scrollTop;
    const shown = this.#shown.get(conversation) ?? SHOWN_AT_FIRST;
    this.#shown.set(conversation, shown + SHOWN_AT_FIRST);
    this.following = false;
    if (conversation.entries.length < shown + SHOWN_AT_FIRST && conversation.hasEarlier) await this.page.messenger.showEarlier(conversation);
    if (this.page.messenger.front !== conversation) return; // Another conversation is in front now.
    this.page.changed();
    // The entries that were in sight stay in sight.
    requestAnimationFrame(() => requestAnimationFrame(() => log !== null && (log.scrollTop = log.scrollHeight - below)));
    log?.focus();
  }

  #entry(conversation: LiveConversation, entry: Entry, before: Entry | undefined): TemplateResult {
    const { words, language } = this.page;
    const today = day(entry.time, language);
    const separator = before === undefined || day(before.time, language) !== today ? html`<div class="day">${today}</div>` : nothing;
    if (entry.kind === "note") {
      return html`<li class="note">${separator}<span dir="auto">${say(words, entry.phrase)}</span> ${clock(entry.time, language)}</li>`;
    }
    const own = entry.kind === "own" || (entry.kind === "file" && entry.own);
    const meta = html`<div class="meta"><strong dir="auto">${legible(entry.author)}</strong>${own ? ` ${words.you}` : ""} ${clock(entry.time, language)}</div>`;
    if (entry.kind === "file") {
      return html`<li class=${own ? "message transfer own" : "message transfer received"}>
        ${separator} ${meta} ${this.#file(conversation, entry.file)}
      </li>`;
    }
    return html`
      <li class=${own ? "message own" : "message received"}>
        ${separator} ${meta}
        <div class="bubble" dir="auto">${this.#text(entry)}</div>
        ${entry.kind === "own"
          ? html`<div class="delivery" data-delivery=${entry.delivery}>
              ${icon(entry.delivery === "read" ? "read" : entry.delivery === "sending" ? "clock" : "check")}${
                entry.delivery === "read" ? `${words.delivered} · ${words.read}` : words[entry.delivery]
              }
            </div>`
          : nothing}
      </li>
    `;
  }

  #file(conversation: LiveConversation, file: (Entry & { kind: "file" })["file"]): TemplateResult {
    const { words, language, messenger } = this.page;
    if (!("direction" in file)) return keptFile(file, words, language);
    const files = messenger.transfers(conversation);
    return fileEntry(file, conversation.peer, {
      words,
      language,
      limit: files.ownLimit,
      accept: (transfer: Transfer) => files.accept(transfer),
      decline: (transfer: Transfer) => files.decline(transfer),
      cancel: (transfer: Transfer) => files.cancel(transfer),
      resized: () => this.follow(),
    });
  }

  #text(entry: Entry & { text: string }): TemplateResult[] {
    let found = texts.get(entry);
    if (found === undefined) {
      found = firstSeen(entry.text) < 0 ? [] : blocks(entry.text);
      texts.set(entry, found);
    }
    if (found.length === 0) return [html`<em>${this.page.words.invisible}</em>`];
    const shown = found.map((block) =>
      block.map(({ text, href }) =>
        href === undefined ? html`<span>${text}</span>` : html`<a href=${href} target="_blank" rel="noopener noreferrer">${text}</a>`,
      ),
    );
    return shown.length === 1 ? shown[0]! : shown.map((block) => html`<span class="block">${block}</span>`);
  }
}
