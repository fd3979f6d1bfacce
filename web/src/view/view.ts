import { type TemplateResult, html, render } from "../../vendor/lit-html/lit-html.js";
import type { Call } from "../call/call.js";
import type { LiveConversation } from "../messenger/liveconversation.js";
import type { Messenger } from "../messenger/messenger.js";
import type { Settings } from "../settings.js";
import { MAX_LOGIN_LENGTH, loginKey } from "../signaling/logins.js";
import { type Language, type Words, languageFor, languages } from "../words.js";
import { bar } from "./bar.js";
import { Composer } from "./composer.js";
import { ConversationView } from "./conversation.js";
import { type DialogContent, dialogElement, settleDialog } from "./dialog.js";
import { Discussion } from "./discussion.js";
import { carriesFiles } from "./files.js";
import { joinView } from "./join.js";
import type { Page } from "./page.js";
import { requestDialog } from "./request.js";
import type { Device } from "./settings.js";
import { changedDialog } from "./verify.js";

/** Where the last login outlasts a reload, in this tab. */
const LOGIN_KEY = "login";

/** Longest time until a change is shown where the browser paints nothing, in ms. */
const UNSEEN_DELAY = 100;
/** How long a dialog that comes by itself takes no decision, in ms: who was about to click or type something else notices it first. */
const NOTICED_AFTER = 500;

/** Shows the messenger in the page and passes on what the person does. */
export class View implements Page {
  /** Whom the address of the page asks to connect to. */
  invitedBy: string | undefined;

  #scheduled = false;
  #dialog: DialogContent | undefined;
  #shownDialog: string | undefined;
  /** The dialog that was shown last has come by itself. */
  #wasUnasked = false;
  #ready = true;
  #urgent: DialogContent | undefined;
  #shownLogin: string | undefined;
  #shownFront: LiveConversation | undefined;
  #shownCall: Call | undefined;
  #shownOpen = false;
  #lastLogin = readLogin();
  readonly #composer = new Composer(this);
  readonly #discussion = new Discussion(this);
  readonly #conversation = new ConversationView(this, this.#discussion, this.#composer);

  constructor(
    private readonly root: HTMLElement,
    readonly messenger: Messenger,
    readonly settings: Settings,
    readonly device: Device,
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

  get language(): Language {
    return languageFor(this.settings.choices.language, navigator.languages);
  }

  get ready(): boolean {
    return this.#ready;
  }

  get words(): Words {
    return languages[this.language];
  }

  open(dialog: DialogContent | undefined): void {
    this.#dialog = dialog;
    this.changed();
  }

  /** Shows the messenger as it is, with the next picture that the browser paints: a flood of messages is shown at once. */
  changed(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    let shown = false;
    const show = () => {
      if (shown) return;
      shown = true;
      this.#scheduled = false;
      this.#render();
    };
    requestAnimationFrame(show);
    setTimeout(show, UNSEEN_DELAY);
  }

  #render(): void {
    const { login, front, unread } = this.messenger;
    const active = document.activeElement;
    const dialog = this.#currentDialog();
    document.documentElement.lang = this.language;
    document.title = unread === 0 ? this.words.name : `(${unread}) ${this.words.name}`;
    const before = this.#shownDialog;
    if (dialog?.id !== before) this.#getReady(dialog);
    // While it is open, what is behind it keeps the focus for its end.
    render(this.#page(dialog), this.root);
    this.#composer.settle();
    this.#discussion.follow();
    settleDialog(this.root, dialog, before);
    this.#shownDialog = dialog?.id;
    if (dialog === undefined) this.#moveFocus(active);
    this.#shownLogin = login;
    this.#shownFront = front;
    this.#shownCall = front?.call;
    this.#shownOpen = front?.phase === "open";
  }

  /** Another dialog is shown. */
  #getReady(dialog: DialogContent | undefined): void {
    const unasked = dialog?.unasked === true;
    // What comes to light behind one is pressed as easily by a click that was meant for that.
    this.#ready = dialog === undefined || !(unasked || this.#wasUnasked);
    this.#wasUnasked = unasked;
    if (this.#ready) return;
    setTimeout(() => {
      if (this.#shownDialog !== dialog?.id) return;
      this.#ready = true;
      this.changed();
    }, NOTICED_AFTER);
  }

  /** The dialog to show: what must be decided comes before what the person has opened. */
  #currentDialog(): DialogContent | undefined {
    const { messenger } = this;
    if (messenger.login === undefined && this.#dialog?.id !== "settings" && this.#dialog?.id.startsWith("confirm") !== true) this.#dialog = undefined;
    const request = messenger.requests[0];
    const changed = messenger.conversations.find(({ trust }) => trust?.kind === "changed");
    const urgent = changed !== undefined ? changedDialog(this, changed) : request !== undefined ? requestDialog(this, request) : undefined;
    // The same one stays the same while it is open.
    if (urgent?.id !== this.#urgent?.id) this.#urgent = urgent;
    return this.#urgent ?? this.#dialog;
  }

  /** Puts the focus where the person goes on, where what had it is gone or done with. */
  #moveFocus(active: Element | null): void {
    const { login, front } = this.messenger;
    const lost = !this.root.contains(document.activeElement);
    const open = front?.phase === "open";
    if (login !== this.#shownLogin) {
      this.#focus(login === undefined ? "login" : "other-login");
    } else if (front !== this.#shownFront) {
      // Who has chosen a conversation goes on in it; whoever is busy elsewhere is left alone.
      const chose = active?.closest(".conversations, .back") !== undefined && active?.closest(".conversations, .back") !== null;
      if (front === undefined) this.#focus("other-login");
      else if (chose || (lost && active !== document.body)) this.#focus("message");
    }
    const call = front?.call;
    if (open && (!this.#shownOpen || call !== this.#shownCall)) {
      const calling = lost || active === null || active === document.body || active.closest("#connect, .peer") !== null;
      if (call?.outgoing === true && calling) this.#focus("message");
      // Until then it stays, for whoever must correct it or try again.
      const other = document.getElementById("other-login") as HTMLInputElement | null;
      if (other !== null && loginKey(other.value) === front.key) other.value = "";
    } else if (call === undefined && this.#shownCall !== undefined && lost) {
      this.#focus("message");
    }
  }

  #typedLogin(login: string): void {
    this.#lastLogin = login;
    try {
      if (this.settings.choices.offTheRecord) sessionStorage.removeItem(LOGIN_KEY);
      else sessionStorage.setItem(LOGIN_KEY, login.slice(0, MAX_LOGIN_LENGTH));
    } catch {
      // It is typed again.
    }
  }

  /** Everything has been deleted: the last login is nobody's business either. */
  forget(): void {
    this.#lastLogin = "";
    const field = document.getElementById("login") as HTMLInputElement | null;
    if (field !== null) field.value = "";
    this.changed();
  }

  #focus(id: string): void {
    const element = document.getElementById(id);
    const writes = element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement;
    // A field that gets the focus unasked brings up a keyboard on a screen, and hides what one has come to read.
    const place = writes && matchMedia("(pointer: coarse)").matches ? document.getElementById("discussion") : element;
    place?.focus();
  }

  #page(dialog: DialogContent | undefined): TemplateResult {
    const joined = this.messenger.login !== undefined;
    const typed = (login: string) => this.#typedLogin(login);
    return html`${bar(this, joined)} ${joined ? this.#conversation.render() : joinView(this, this.#lastLogin, typed, this.invitedBy)} ${dialogElement(this, dialog)}`;
  }
}

function readLogin(): string {
  try {
    return sessionStorage.getItem(LOGIN_KEY) ?? "";
  } catch {
    return ""; // A browser that stores nothing.
  }
}
