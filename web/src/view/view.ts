import { type TemplateResult, html, render } from "../../vendor/lit-html/lit-html.js";
import type { Messenger } from "../messenger/messenger.js";
import type { Settings } from "../settings.js";
import { type Language, type Words, languageFor, languages } from "../words.js";
import { carriesFiles } from "./attaching.js";
import { bar } from "./bar.js";
import { Composer } from "./composer.js";
import { ConversationView } from "./conversation.js";
import type { Device } from "./device.js";
import { dialogElement, settleDialog } from "./dialog.js";
import { Dialogs } from "./dialogs.js";
import { Discussion } from "./discussion.js";
import { Focus } from "./focus.js";
import { joinView } from "./join.js";
import { keepLastLogin, readLastLogin } from "./lastlogin.js";
import type { DialogContent, Page } from "./page.js";

/** Longest time until a change is rendered when the browser paints nothing, in ms. */
const UNSEEN_DELAY = 100;

/** Shows the messenger in the page, and passes the person's actions on to it. */
export class View implements Page {
  /** The login in the page's invite link; undefined: none. */
  invitedBy: string | undefined;

  #scheduled = false;
  #lastLogin = readLastLogin();
  readonly #dialogs = new Dialogs(this);
  readonly #composer = new Composer(this);
  readonly #discussion = new Discussion(this);
  readonly #conversation = new ConversationView(this, this.#discussion, this.#composer);
  readonly #focus: Focus;

  constructor(
    private readonly root: HTMLElement,
    readonly messenger: Messenger,
    readonly settings: Settings,
    readonly device: Device,
  ) {
    this.#focus = new Focus(root, messenger);
    setInterval(() => {
      if (messenger.service.kind === "waiting") this.changed();
    }, 1_000);
    // The browser would open a file that is dropped beside the conversation, in place of the page.
    for (const type of ["dragover", "drop"] as const) {
      addEventListener(type, (event) => {
        if (carriesFiles(event)) event.preventDefault();
      });
    }
    for (const [type, printing] of [["beforeprint", true], ["afterprint", false]] as const) {
      addEventListener(type, () => {
        this.#discussion.printing = printing;
        this.#render();
      });
    }
    addEventListener("online", () => this.changed());
    addEventListener("offline", () => this.changed());
  }

  get language(): Language {
    return languageFor(this.settings.choices.language, navigator.languages);
  }

  get takesDecisions(): boolean {
    return this.#dialogs.takesDecisions;
  }

  get words(): Words {
    return languages[this.language];
  }

  open(dialog: DialogContent | undefined): void {
    this.#dialogs.opened = dialog;
    this.changed();
  }

  /** Renders the page before the browser paints next. Many changes are rendered together. */
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

  /** Everything has been deleted: the view forgets the last login too. */
  forget(): void {
    this.#lastLogin = "";
    const field = document.getElementById("login") as HTMLInputElement | null;
    if (field !== null) field.value = "";
    this.changed();
  }

  #render(): void {
    const { unread } = this.messenger;
    const active = document.activeElement;
    const before = this.#dialogs.shown;
    const dialog = this.#dialogs.show();
    document.documentElement.lang = this.language;
    document.title = unread === 0 ? this.words.name : `(${unread}) ${this.words.name}`;
    render(this.#page(dialog), this.root);
    this.#composer.settle();
    this.#discussion.follow();
    settleDialog(this.root, dialog, before);
    this.#focus.settle(dialog === undefined ? active : undefined);
  }

  #typedLogin(login: string): void {
    this.#lastLogin = login;
    keepLastLogin(this.settings.choices.offTheRecord ? "" : login);
  }

  #page(dialog: DialogContent | undefined): TemplateResult {
    const joined = this.messenger.login !== undefined;
    const typed = (login: string) => this.#typedLogin(login);
    return html`${bar(this, joined)} ${joined ? this.#conversation.render() : joinView(this, this.#lastLogin, typed, this.invitedBy)} ${dialogElement(this, dialog)}`;
  }
}
