import { type TemplateResult, html, nothing } from "../../vendor/lit-html/lit-html.js";
import type { LiveConversation } from "../messenger/liveconversation.js";
import { setDirection } from "./direction.js";
import { pastedFiles } from "./attaching.js";
import { icon } from "./icons.js";
import { composes } from "./keys.js";
import type { Page } from "./page.js";

/**
 * The key of the draft in this tab's session storage. It survives a reload that comes before the history has the draft, and browsers that
 * keep no history. A tab that is duplicated, or opened by this one, begins with a copy.
 */
const DRAFT_KEY = "draft";

interface KeptDraft {
  login: string;
  /** The key (signaling/logins.ts) of the login that the draft is for; undefined: no conversation was in front. */
  peer: string | undefined;
  text: string;
  /** `Conversation.drafted` of the draft; 0: no conversation was in front. */
  drafted: number;
  /** Whether the page that wrote it has left the tab. A page that is still there has its draft itself. */
  left: boolean;
}

/** The field in which messages are written, and its buttons. */
export class Composer {
  #conversation: LiveConversation | undefined;
  #field: HTMLTextAreaElement | null = null;
  /** The draft that was kept before the reload, until it is in the field again. */
  #kept = readKept();
  #offTheRecord = false;
  /** What the field holds, as far as this page has put it there or has been told of it. */
  #text = "";

  constructor(private readonly page: Page) {
    // From now on a copy of this tab must not take it too.
    if (this.#kept !== undefined) store({ ...this.#kept, left: false });
  }

  render(): TemplateResult {
    const { messenger, words } = this.page;
    const phase = messenger.front?.phase;
    const open = phase === "open" || phase === "reconnecting";
    const field = () => document.getElementById("message") as HTMLTextAreaElement;
    const send = () => {
      const element = field();
      if (messenger.send(element.value)) {
        element.value = "";
        this.#typed(element);
      }
      element.focus();
    };
    const submit = (event: SubmitEvent) => {
      event.preventDefault();
      send();
    };
    const keydown = (event: KeyboardEvent) => {
      if (event.key !== "Enter" || event.shiftKey || composes(event)) return;
      event.preventDefault();
      if (!event.repeat) send(); // The key may be down since it was pressed somewhere else.
    };
    // Synthesised keys may insert the line break although the keydown was prevented.
    const keypress = (event: KeyboardEvent) => {
      if (event.key === "Enter" && !event.shiftKey) event.preventDefault();
    };
    const paste = (event: ClipboardEvent) => {
      const pasted = pastedFiles(event.clipboardData);
      if (pasted === undefined) return;
      event.preventDefault();
      messenger.attach(pasted);
    };
    const choose = () => {
      if (messenger.files?.peerLimit === undefined) messenger.attach({ files: [] });
      else document.getElementById("files")?.click();
    };
    const chosen = (event: Event) => {
      const input = event.target as HTMLInputElement;
      if (input.files !== null && input.files.length > 0) messenger.attach({ files: [...input.files] });
      input.value = ""; // Choosing the same file again is a change then.
    };
    const { front } = messenger;
    const calling = phase === "calling" || phase === "connecting";
    const hint =
      phase === "reconnecting" ? words.hintReconnecting : open ? words.hintOpen : calling && front !== undefined ? words.hintCalling(front.peer) : words.hintClosed;
    const offTheRecord = this.page.settings.choices.offTheRecord ? html`<strong>${words.hintOffTheRecord}</strong> ` : nothing;
    return html`
      <form class="composer" @submit=${submit} novalidate>
        <label for="message" class="visually-hidden">${words.message}</label>
        <textarea
          id="message"
          class="form-control"
          placeholder=${words.message}
          rows="1"
          aria-describedby="message-hint"
          @keydown=${keydown}
          @keypress=${keypress}
          @input=${(event: InputEvent) => this.#typed(event.target as HTMLTextAreaElement)}
          @paste=${paste}
        ></textarea>
        <input id="files" type="file" multiple hidden @change=${chosen} />
        <button
          type="button"
          class="btn btn-quiet attach"
          aria-label=${words.attachFile}
          title=${words.attachFile}
          aria-disabled=${messenger.files?.peerLimit === undefined ? "true" : nothing}
          @click=${choose}
        >
          ${icon("attach")}
        </button>
        <button class="btn btn-primary" aria-disabled=${open ? nothing : "true"}>${icon("send")}${words.send}</button>
        <div id="message-hint" class="hint">${offTheRecord}${hint}</div>
      </form>
    `;
  }

  /** Adds a text that was dropped to what is in the field. */
  insert(text: string): void {
    const field = document.getElementById("message") as HTMLTextAreaElement;
    field.value = /\S$/u.test(field.value) ? `${field.value} ${text}` : field.value + text;
    this.#typed(field);
    field.focus();
  }

  /** Puts the draft of the front conversation into the field when that has changed. Call it after each rendering. */
  settle(): void {
    const field = document.getElementById("message") as HTMLTextAreaElement | null;
    const { messenger, settings } = this.page;
    const { front } = messenger;
    const { offTheRecord } = settings.choices;
    const same = field === this.#field && front === this.#conversation && (front?.draft ?? messenger.draft) === this.#text;
    if (same && offTheRecord === this.#offTheRecord) return;
    this.#field = field;
    this.#conversation = front;
    this.#offTheRecord = offTheRecord;
    if (field === null) return;
    const kept = this.#kept;
    if (kept?.login === messenger.login && kept?.peer === front?.key) {
      this.#kept = undefined;
      if (front === undefined) messenger.draft ||= kept!.left ? kept!.text : "";
      else if (isNewer(kept!, front)) front.draft = kept!.text;
    }
    const draft = front?.draft ?? messenger.draft;
    this.#text = draft;
    if (field.value !== draft) field.value = draft;
    setDirection(field, draft);
    if (this.#kept === undefined) this.#keep();
  }

  /** The page is going away. Whatever comes next in this tab may go on with the draft. */
  leavePage(): void {
    if (this.#kept !== undefined) store(this.#kept);
    else if (this.#field !== null) this.#keep(true);
  }

  /** Everything has been deleted. */
  forget(): void {
    this.#kept = undefined;
  }

  /** The page comes back. */
  comeBack(): void {
    if (this.#field !== null && this.#kept === undefined) this.#keep();
  }

  /** The person has typed. */
  #typed(field: HTMLTextAreaElement): void {
    setDirection(field, field.value);
    this.#text = field.value;
    this.page.messenger.type(field.value);
    this.#keep();
  }

  /** Stores what is in the field. @param left whether the page is going away */
  #keep(left = false): void {
    const { front, draft, login } = this.page.messenger;
    const text = front?.draft ?? draft;
    const kept = text !== "" && login !== undefined && !this.page.settings.choices.offTheRecord;
    store(kept ? { login, peer: front?.key, text, drafted: front?.drafted ?? 0, left } : undefined);
  }
}

/** Stores a draft for the next page in this tab. */
function store(draft: KeptDraft | undefined): void {
  try {
    sessionStorage.removeItem(DRAFT_KEY); // First, because the old draft would stay if there were no room for the new one.
    if (draft !== undefined) sessionStorage.setItem(DRAFT_KEY, JSON.stringify(draft));
  } catch {
    // This browser stores nothing, or not that much. The draft is only in its field.
  }
}

/** Whether a draft was typed after the one that the conversation has from the device. */
function isNewer(kept: KeptDraft, conversation: LiveConversation): boolean {
  if (kept.drafted <= conversation.drafted) return false;
  // Where the device keeps no draft there is nothing to compare it with.
  return conversation.drafted > 0 || kept.left;
}

/** The draft that was in the field before the reload. */
function readKept(): KeptDraft | undefined {
  try {
    const { login, peer, text, drafted, left } = JSON.parse(sessionStorage.getItem(DRAFT_KEY) ?? "{}") as Record<string, unknown>;
    if (typeof login !== "string" || typeof text !== "string" || !(peer === undefined || typeof peer === "string")) return undefined;
    // A browser drops a tab to save memory without telling its page.
    return { login, peer, text, drafted: Number(drafted) || 0, left: left === true || (document as { wasDiscarded?: boolean }).wasDiscarded === true };
  } catch {
    return undefined; // This browser stores nothing, or another page has written this.
  }
}
