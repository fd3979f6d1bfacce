import { type TemplateResult, html, nothing, render } from "../vendor/lit-html/lit-html.js";
import type { Call } from "./call.js";
import { direction } from "./direction.js";
import { type Piece, blocks } from "./links.js";
import { loginKey } from "./logins.js";
import type { Entry, Messenger } from "./messenger.js";
import type { Transfers } from "./transfers.js";
import { type FilesHost, carriesFiles, droppedFiles, fileEntry, pastedFiles } from "./view/files.js";
import { english } from "./view/filewords.js";

/** A log that is scrolled up by less than this many pixels still follows the newest message. */
const FOLLOW_WITHIN = 48;
/** Where an unsent message outlasts a reload. */
const DRAFT_KEY = "draft";

/** Shows the messenger in the page and passes on what the person does. */
export class View {
  #scheduled = false;
  #following = true;
  #shownEntries = 0;
  #shownLogin: string | undefined;
  #shownCall: Call | undefined;
  #shownOpen = false;
  #lastLogin = "";
  /** Files are being dragged over the conversation. */
  #dropping = false;
  readonly #blocks = new WeakMap<Entry, Piece[][]>();
  readonly #resized = new ResizeObserver(() => this.#follow());

  constructor(
    private readonly root: HTMLElement,
    private readonly messenger: Messenger,
  ) {
    setInterval(() => {
      if (messenger.service.kind === "waiting") this.changed();
    }, 1_000);
    // A file that is dropped beside the conversation would take the page's place.
    for (const type of ["dragover", "drop"] as const) {
      addEventListener(type, (event) => {
        if (carriesFiles(event)) event.preventDefault();
      });
    }
    addEventListener("online", () => this.changed());
    addEventListener("offline", () => this.changed());
  }

  /** Shows the messenger as it is, once what happens now is over. */
  changed(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#render();
    });
  }

  #render(): void {
    const { login, call, entries } = this.messenger;
    const active = document.activeElement;
    const ownIsNewest = entries.length > this.#shownEntries && entries.at(-1)?.kind === "own";
    render(this.#page(), this.root);

    if (ownIsNewest) this.#following = true;
    this.#follow();
    this.#moveFocus(active);
    this.#shownEntries = entries.length;
    this.#shownLogin = login;
    this.#shownCall = call;
    this.#shownOpen = call?.phase === "open";
  }

  /** Puts the focus where the person goes on, where what had it is gone or done with. */
  #moveFocus(active: Element | null): void {
    const { login, call } = this.messenger;
    if (login !== this.#shownLogin) {
      this.#focus(login === undefined ? "login" : "other-login");
      const log = document.getElementById("discussion");
      this.#resized.disconnect();
      if (log !== null) {
        this.#resized.observe(log);
        this.#following = true;
        this.#follow();
        this.#restoreDraft();
      }
    } else if (call?.phase === "open" && !this.#shownOpen) {
      const calling = active === null || active === document.body || active.closest("#connect") !== null;
      if (call.outgoing && calling) this.#focus("message");
      // Until then it stays, for whoever must correct it or try again.
      const other = document.getElementById("other-login") as HTMLInputElement;
      if (loginKey(other.value) === loginKey(call.peer)) other.value = "";
    } else if (call === undefined && this.#shownCall !== undefined && !this.root.contains(document.activeElement)) {
      this.#focus("other-login");
    }
  }

  #focus(id: string): void {
    document.getElementById(id)?.focus();
  }

  #follow(): void {
    const log = document.getElementById("discussion");
    if (log !== null && this.#following) log.scrollTop = log.scrollHeight;
  }

  #page(): TemplateResult {
    const { login } = this.messenger;
    return html`
      <header class="bar">
        <h1 class="brand">${icon("bubbles")} <span>P2P Messaging</span></h1>
        ${this.#status()}
        ${login === undefined
          ? nothing
          : html`<div class="account">
              <span class="welcome" dir="auto">Welcome ${login}!</span>
              <button type="button" class="btn btn-sm btn-outline-secondary" @click=${() => this.messenger.signOut()}
                >Sign out</button
              >
            </div>`}
      </header>
      ${login === undefined ? this.#joinView() : this.#conversationView()}
    `;
  }

  #status(): TemplateResult {
    const state = this.messenger.service;
    const offline = !navigator.onLine && state.kind !== "connected";
    const label = () => {
      switch (state.kind) {
        case "connected":
          return "connected";
        case "connecting":
          return offline ? "offline, connecting…" : "connecting…";
        case "waiting": {
          const seconds = Math.max(1, Math.ceil((state.until - Date.now()) / 1_000));
          // The countdown is for the eye: only the change of state is announced.
          return html`${offline ? "offline, connecting" : "connecting"} again in <span aria-live="off">${seconds}</span> s`;
        }
        case "stopped":
          return html`offline: ${state.reason}`;
      }
    };
    const away = state.kind === "stopped" || state.kind === "waiting";
    return html`
      <div class="state">
        <div role="status" aria-label="Connection" class="status" data-state=${state.kind}>
          <span class="dot" aria-hidden="true"></span><span>${label()}</span>
        </div>
        ${away
          ? html`<button type="button" class="btn btn-sm btn-link" @click=${() => this.messenger.reconnect()}>
              ${state.kind === "stopped" ? "Connect again" : "Try now"}
            </button>`
          : nothing}
      </div>
    `;
  }

  #alert(): TemplateResult | typeof nothing {
    const { alert } = this.messenger;
    if (alert === undefined) return nothing;
    return html`
      <div class="alert alert-warning notice" role="alert">
        <span>${alert}</span>
        <button type="button" class="btn-close" aria-label="Dismiss" @click=${() => this.messenger.dismissAlert()}></button>
      </div>
    `;
  }

  #joinView(): TemplateResult {
    const { joining } = this.messenger;
    const submit = (event: SubmitEvent) => {
      event.preventDefault();
      const field = document.getElementById("login") as HTMLInputElement;
      this.#lastLogin = field.value;
      void this.messenger.join(field.value);
    };
    return html`
      <main class="join">
        <form class="card" @submit=${submit} novalidate>
          <div class="emblem">${icon("bubbles")}</div>
          <p class="lead">Talk directly, browser to browser.</p>
          <p class="text-body-secondary">
            The service only introduces you to each other. What you write goes straight to the other person.
          </p>
          <div class="form-floating">
            <input
              id="login"
              class="form-control"
              type="text"
              placeholder="Login"
              autocomplete="nickname"
              autocapitalize="none"
              spellcheck="false"
              dir="auto"
              value=${this.#lastLogin}
              autofocus
            />
            <label for="login">Login</label>
          </div>
          <button class="btn btn-primary btn-lg" aria-disabled=${joining ? "true" : nothing}>Join</button>
          ${this.#alert()}
        </form>
      </main>
    `;
  }

  #conversationView(): TemplateResult {
    const { call, entries } = this.messenger;
    const connect = (event: SubmitEvent) => {
      event.preventDefault();
      this.messenger.connect((document.getElementById("other-login") as HTMLInputElement).value);
    };
    const scrolled = (event: Event) => {
      const log = event.currentTarget as HTMLElement;
      const following = log.scrollTop + log.clientHeight >= log.scrollHeight - FOLLOW_WITHIN;
      if (following === this.#following) return;
      this.#following = following;
      this.changed();
    };
    const drag = (dropping: boolean) => {
      if (this.#dropping === dropping) return;
      this.#dropping = dropping;
      this.changed();
    };
    const dragged = (event: DragEvent) => {
      if (carriesFiles(event)) drag(true);
    };
    const dragLeft = (event: DragEvent) => {
      if (!(event.currentTarget as Node).contains(event.relatedTarget as Node | null)) drag(false);
    };
    const dropped = (event: DragEvent) => {
      drag(false);
      if (event.dataTransfer !== null && carriesFiles(event)) this.messenger.attach(droppedFiles(event.dataTransfer));
    };
    return html`
      <main
        class=${this.#dropping ? "conversation dropping" : "conversation"}
        data-drop=${english.dropHere}
        @dragover=${dragged}
        @dragleave=${dragLeft}
        @drop=${dropped}
      >
        <form id="connect" class="connect" @submit=${connect} novalidate>
          <div class="form-floating">
            <input
              id="other-login"
              class="form-control"
              type="text"
              placeholder="Other login"
              autocomplete="off"
              autocapitalize="none"
              spellcheck="false"
              dir="auto"
            />
            <label for="other-login">Other login</label>
          </div>
          <button class=${call === undefined ? "btn btn-primary" : "btn btn-quiet"}>Connect to</button>
        </form>
        ${this.#peer()} ${this.#alert()}
        <div class="discussion">
          <div id="discussion" role="log" aria-label="Discussion" tabindex="0" @scroll=${scrolled}>
            <ul>
              ${entries.map((entry) => this.#entry(entry))}
            </ul>
            ${entries.length === 0 ? html`<p class="empty">Your discussion will appear here.</p>` : nothing}
          </div>
          ${this.#following
            ? nothing
            : html`<button type="button" class="btn btn-sm btn-primary newest" @click=${() => this.#toNewest()}>
                ${icon("down")}Newest messages
              </button>`}
        </div>
        ${this.#composer()}
      </main>
    `;
  }

  #toNewest(): void {
    this.#following = true;
    this.#follow();
    this.#focus("message");
    this.changed();
  }

  /** Who is connected. This row keeps its place and height, so that no button moves under the pointer. */
  #peer(): TemplateResult {
    const { call } = this.messenger;
    if (call === undefined) {
      return html`<div class="peer"><span class="text-body-secondary">Nobody is connected.</span></div>`;
    }
    const open = call.phase === "open";
    const end = () => this.messenger.disconnect(call);
    const initial = [...call.peer][0]?.toUpperCase() ?? "";
    return html`
      <div class="peer" data-phase=${call.phase}>
        <span class="avatar" aria-hidden="true">${initial}</span>
        <span class="who">
          ${open ? "Connected to" : call.phase === "calling" ? "Calling" : "Connecting to"}
          <strong dir="auto">${call.peer}</strong>${open ? "" : "…"}
        </span>
        ${open
          ? html`<button type="button" class="btn btn-sm btn-outline-danger" aria-label="Disconnect from ${call.peer}" @click=${end}>
              Disconnect<span class="wide">&nbsp;from ${call.peer}</span>
            </button>`
          : html`<button type="button" class="btn btn-sm btn-outline-secondary" aria-label="Cancel the call to ${call.peer}" @click=${end}>
              Cancel
            </button>`}
      </div>
    `;
  }

  #entry(entry: Entry): TemplateResult {
    if (entry.kind === "note") {
      return html`<li class="note"><span dir="auto">${entry.text}</span> ${time(entry.time)}</li>`;
    }
    const own = entry.kind === "own" || (entry.kind === "file" && entry.transfer.direction === "out");
    const meta = html`<div class="meta"><strong dir="auto">${entry.author}</strong>${own ? " (you)" : ""} ${time(entry.time)}</div>`;
    if (entry.kind === "file") {
      return html`<li class=${own ? "message transfer own" : "message transfer received"}>
        ${meta} ${fileEntry(entry.transfer, entry.peer, this.#filesHost(entry.files))}
      </li>`;
    }
    return html`
      <li class=${own ? "message own" : "message received"}>
        ${meta}
        <div class="bubble" dir="auto">${this.#text(entry)}</div>
        ${entry.kind === "own" ? html`<div class="delivery" data-delivery=${entry.delivery}>${icon("check")}${entry.delivery}</div>` : nothing}
      </li>
    `;
  }

  #filesHost(files: Transfers): FilesHost {
    return {
      words: english,
      language: "en",
      limit: files.ownLimit,
      accept: (transfer) => files.accept(transfer),
      decline: (transfer) => files.decline(transfer),
      cancel: (transfer) => files.cancel(transfer),
      resized: () => this.#follow(),
    };
  }

  #text(entry: Entry & { text: string }): TemplateResult[] {
    let found = this.#blocks.get(entry);
    if (found === undefined) {
      found = blocks(entry.text);
      this.#blocks.set(entry, found);
    }
    const shown = found.map((block) =>
      block.map(({ text, href }) =>
        href === undefined ? html`<span>${text}</span>` : html`<a href=${href} target="_blank" rel="noopener noreferrer">${text}</a>`,
      ),
    );
    return shown.length === 1 ? shown[0]! : shown.map((block) => html`<span class="block">${block}</span>`);
  }

  #composer(): TemplateResult {
    const open = this.messenger.call?.phase === "open";
    const send = () => {
      const field = document.getElementById("message") as HTMLTextAreaElement;
      if (this.messenger.send(field.value)) field.value = "";
      this.#typed(field);
      field.focus();
    };
    const submit = (event: SubmitEvent) => {
      event.preventDefault();
      send();
    };
    const keydown = (event: KeyboardEvent) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      send();
    };
    // Where keys are synthesised, the line break may come in spite of a keydown that was prevented.
    const keypress = (event: KeyboardEvent) => {
      if (event.key === "Enter" && !event.shiftKey) event.preventDefault();
    };
    const paste = (event: ClipboardEvent) => {
      const files = pastedFiles(event.clipboardData);
      if (files.length === 0) return;
      event.preventDefault();
      this.messenger.attach(files);
    };
    const choose = () => {
      if (this.messenger.files?.peerLimit === undefined) this.messenger.attach([]);
      else document.getElementById("files")?.click();
    };
    const chosen = (event: Event) => {
      const field = event.target as HTMLInputElement;
      if (field.files !== null && field.files.length > 0) this.messenger.attach([...field.files]);
      field.value = ""; // The same file may be chosen again.
    };
    const input = (event: InputEvent) => this.#typed(event.target as HTMLTextAreaElement);
    return html`
      <form class="composer" @submit=${submit} novalidate>
        <label for="message" class="visually-hidden">Message</label>
        <textarea
          id="message"
          class="form-control"
          placeholder="Message"
          rows="1"
          aria-describedby="message-hint"
          @keydown=${keydown}
          @keypress=${keypress}
          @input=${input}
          @paste=${paste}
        ></textarea>
        <input id="files" type="file" multiple hidden @change=${chosen} />
        <button
          type="button"
          class="btn btn-quiet attach"
          aria-label=${english.attachFile}
          title=${english.attachFile}
          aria-disabled=${this.messenger.files?.peerLimit === undefined ? "true" : nothing}
          @click=${choose}
        >
          ${icon("attach")}
        </button>
        <button class="btn btn-primary" aria-disabled=${open ? nothing : "true"}>${icon("send")}Send</button>
        <div id="message-hint" class="hint">
          ${open
            ? "Enter sends, Shift+Enter breaks the line."
            : "Nobody is connected: connect to somebody to send. What you type is kept."}
        </div>
      </form>
    `;
  }

  /** The message being written has changed. */
  #typed(field: HTMLTextAreaElement): void {
    field.dir = direction(field.value);
    this.#keepDraft(field.value);
  }

  #keepDraft(text: string): void {
    try {
      if (text === "") sessionStorage.removeItem(DRAFT_KEY);
      else sessionStorage.setItem(DRAFT_KEY, JSON.stringify({ login: this.messenger.login, text }));
    } catch {
      // A browser that stores nothing, or not that much: the draft stays in its field.
    }
  }

  #restoreDraft(): void {
    const field = document.getElementById("message") as HTMLTextAreaElement;
    try {
      const draft = JSON.parse(sessionStorage.getItem(DRAFT_KEY) ?? "null");
      if (draft?.login === this.messenger.login && typeof draft.text === "string") {
        field.value = draft.text;
        field.dir = direction(field.value);
      }
    } catch {
      // As above, or not written by this page.
    }
  }
}

function time(date: Date): TemplateResult {
  const shown = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return html`<time datetime=${date.toISOString()}>${shown}</time>`;
}

type IconName = "bubbles" | "send" | "check" | "down" | "attach";

function icon(name: IconName): TemplateResult {
  return html`<svg class="icon" aria-hidden="true" focusable="false"><use href="#icon-${name}"></use></svg>`;
}
