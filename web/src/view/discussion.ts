import { repeat } from "../../vendor/lit-html/directives/repeat.js";
import { type TemplateResult, html, nothing } from "../../vendor/lit-html/lit-html.js";
import { legible } from "../characters.js";
import type { Entry } from "../conversation/conversation.js";
import type { Transfer } from "../files/transfer.js";
import type { LiveConversation } from "../messenger/liveconversation.js";
import { say } from "../words.js";
import { fileEntry, keptFile } from "./files.js";
import { direction } from "./direction.js";
import { icon } from "./icons.js";
import { restOfText, textBlocks } from "./longtext.js";
import type { Page } from "./page.js";
import { type PicturePlace, Pictures } from "./pictures.js";
import { ShownText } from "./showntext.js";
import { clock, day } from "./text.js";
import { EntryWindow, STEP } from "./window.js";

/** The log follows the newest message while it is scrolled up by less than this, in pixels. */
const FOLLOW_WITHIN = 48;

/** The discussion of the front conversation. */
export class Discussion {
  /** Whether the newest message is kept in sight. */
  following = true;
  /** Whether the page is being printed. Paper has room for all entries. */
  printing = false;
  readonly #texts = new WeakMap<Entry, ShownText>();
  readonly #windows = new WeakMap<LiveConversation, EntryWindow>();
  #conversation: LiveConversation | undefined;
  /** The log's last scrollTop. */
  #top = 0;
  #newest: Entry | undefined;
  readonly #resized = new ResizeObserver(() => this.follow());
  #observed: HTMLElement | null = null;
  /** An entry that stays where it is in the log when others come in front of it, and its place on the screen. */
  #held: { element: Element; top: number } | undefined;

  readonly #pictures = new Pictures(() => this.page.changed());

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
    const window = this.#window(conversation);
    const { first, end } = this.printing || window === undefined ? { first: 0, end: entries.length } : window.range(entries, this.following);
    const shown = entries.slice(first, end);
    const later = end < entries.length;
    const unseen = window?.unseen(entries) ?? 0;
    const earlier = first > 0 || conversation?.hasEarlier === true;
    const scrolled = (event: Event) => {
      const log = event.currentTarget as HTMLElement;
      const following = !later && log.scrollTop + log.clientHeight >= log.scrollHeight - FOLLOW_WITHIN;
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
          ${conversation?.hasEarlier === true ? html`<p class="quiet print-only">${words.earlierNotPrinted}</p>` : nothing}
          <ul>
            ${repeat(
              shown,
              ({ id }) => id,
              (entry, index) => this.#entry(conversation!, entry, shown[index - 1]),
            )}
          </ul>
          ${later
            ? html`<button type="button" class="btn btn-sm btn-quiet later" @click=${() => this.#showLater(window!)}>${words.later}</button>`
            : nothing}
          ${entries.length === 0 ? html`<p class="empty">${words.empty}</p>` : nothing}
        </div>
        ${this.following
          ? nothing
          : html`<button type="button" class="btn btn-sm btn-primary newest" @click=${() => this.#toNewest()}>
              ${icon("down")}${words.newest}${unseen === 0 ? nothing : html`<span aria-hidden="true"> · ${words.newCount(String(unseen))}</span>`}
            </button>`}
      </div>
      <div class="typing" aria-live="off" dir="auto">${conversation?.typing === true ? words.isTyping(conversation.peer) : nothing}</div>
    `;
  }

  /** Scrolls to the newest message if the log follows it. Call it after each rendering. */
  follow(): void {
    const log = document.getElementById("discussion");
    if (log !== this.#observed) {
      this.#resized.disconnect();
      if (log !== null) {
        this.#resized.observe(log);
        this.#resized.observe(log.querySelector("ul")!); // Pictures and texts may grow.
      }
      this.#pictures.watch(log);
      this.#observed = log;
    }
    if (log === null) return;
    this.#pictures.settle(log.querySelectorAll<PicturePlace>("canvas.picture"));
    if (this.#held !== undefined) {
      const { element, top } = this.#held;
      this.#held = undefined;
      if (element.isConnected) log.scrollTop += element.getBoundingClientRect().top - top;
    } else if (this.following) log.scrollTop = log.scrollHeight;
    else return;
    this.#top = log.scrollTop;
  }

  #window(conversation: LiveConversation | undefined): EntryWindow | undefined {
    if (conversation === undefined) return undefined;
    let found = this.#windows.get(conversation);
    if (found === undefined) {
      found = new EntryWindow((entry) => ("text" in entry ? this.#text(entry).cost : 0));
      this.#windows.set(conversation, found);
    }
    return found;
  }

  #text(entry: Entry & { text: string }): ShownText {
    let found = this.#texts.get(entry);
    if (found === undefined) {
      found = new ShownText(entry.text);
      this.#texts.set(entry, found);
    }
    return found;
  }

  #toNewest(): void {
    this.following = true;
    document.getElementById("message")?.focus();
    this.page.changed();
  }

  async #showEarlier(conversation: LiveConversation): Promise<void> {
    const window = this.#window(conversation)!;
    this.following = false;
    const { first } = window.range(conversation.entries, false);
    if (first < STEP && conversation.hasEarlier) await this.page.messenger.showEarlier(conversation);
    if (this.page.messenger.front !== conversation) return; // Another conversation is in front now.
    window.showEarlier(conversation.entries);
    const log = document.getElementById("discussion");
    const element = log?.querySelector("li");
    if (element != null) this.#held = { element, top: element.getBoundingClientRect().top };
    this.page.changed();
    log?.focus();
  }

  #showLater(window: EntryWindow): void {
    window.showLater();
    this.page.changed();
    document.getElementById("discussion")?.focus();
  }

  /** Shows more of a text. The reader stays at its place. */
  #showMore(shown: ShownText): void {
    this.following = false;
    shown.showMore();
    this.page.changed();
    const log = document.getElementById("discussion")!;
    if (!shown.hasMore) log.focus(); // The button goes away.
    // The text goes on where its end was. By itself the browser might keep what was below in its place.
    log.classList.add("unanchored");
    requestAnimationFrame(() => requestAnimationFrame(() => log.classList.remove("unanchored")));
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
    const text = this.#text(entry);
    return html`
      <li class=${`message ${own ? "own" : "received"}${text.long ? " long" : ""}`}>
        ${separator} ${meta}
        <div class="bubble" dir=${text.long ? direction(entry.text) : "auto"}>${text.invisible ? html`<em>${words.invisible}</em>` : textBlocks(text)}</div>
        ${restOfText(text, this.page, () => this.#showMore(text))}
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
      pictures: this.#pictures,
      accept: (transfer: Transfer) => files.accept(transfer),
      decline: (transfer: Transfer) => files.decline(transfer),
      cancel: (transfer: Transfer) => files.cancel(transfer),
    });
  }
}
