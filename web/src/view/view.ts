import { type TemplateResult, html, render } from "../../vendor/lit-html/lit-html.js";
import type { Messenger } from "../messenger/messenger.js";
import type { Settings } from "../settings.js";
import { type Language, type Words, languageFor, languages, phrase } from "../words.js";
import { carriesFiles, isField } from "./attaching.js";
import { bar } from "./bar.js";
import { Composer } from "./composer.js";
import { ConversationView } from "./conversation.js";
import type { Device } from "./device.js";
import { dialogElement, settleDialog } from "./dialog.js";
import { Dialogs } from "./dialogs.js";
import { Discussion } from "./discussion.js";
import { Focus } from "./focus.js";
import type { Invitation } from "./invitelink.js";
import { type JoinHost, joinView } from "./join.js";
import { composes } from "./keys.js";
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
  /** Whether the open dialog has opened beside what the person types. */
  #beside = false;
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
    // The browser would open a file or a link that is dropped beside the conversation, in place of the page.
    for (const type of ["dragover", "drop"] as const) {
      addEventListener(type, (event) => {
        if (event.defaultPrevented || (isField(event.target) && !carriesFiles(event))) return;
        event.preventDefault();
        if (event.dataTransfer !== null) event.dataTransfer.dropEffect = "none";
      });
    }
    addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.defaultPrevented && !composes(event) && this.#dialogs.shown === undefined) this.#cancelWaiting(event.target as Element);
    });
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

  /** Takes up an invitation, or says what is wrong with it. */
  follow(invitation: Invitation): void {
    if ("login" in invitation) this.invitedBy = invitation.login;
    else this.messenger.alert = invitation.fault;
    this.changed();
  }

  /** Proposes a login, unless the person has typed one. */
  propose(login: string | undefined): void {
    this.#lastLogin = login ?? this.#lastLogin;
    this.changed();
  }

  /** Connects to the person whose invite link this page was opened with. */
  connectToInviter(): void {
    const { invitedBy } = this;
    if (invitedBy === undefined) return;
    this.invitedBy = undefined;
    this.#focus.called();
    this.messenger.connect(invitedBy);
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

  /** The page is going away. */
  leavePage(): void {
    this.#composer.leavePage();
  }

  /** The page comes back as it was, after others have been in its tab. */
  comeBack(): void {
    this.#composer.comeBack();
  }

  /** Everything has been deleted: the view forgets the last login too. */
  forget(): void {
    this.#lastLogin = "";
    this.#composer.forget();
    const field = document.getElementById("login") as HTMLInputElement | null;
    if (field !== null) field.value = "";
    this.changed();
  }

  /** The person has pressed Escape. It cancels what they wait for, unless they are busy elsewhere. */
  #cancelWaiting(target: Element): void {
    const { messenger } = this;
    const { front } = messenger;
    if (messenger.joining) messenger.cancelJoin();
    else if ((front?.phase === "calling" || front?.phase === "connecting") && (!this.#focus.typing || target.closest("#connect") !== null)) {
      messenger.hangUp(front);
    }
  }

  #render(): void {
    const { unread } = this.messenger;
    const path = this.#focus.path();
    const before = this.#dialogs.shown;
    const dialog = this.#dialogs.show();
    if (dialog?.id !== before) this.#beside = dialog?.unasked === true && this.#focus.typing;
    // To set the same language again makes the browser compute the styles of the whole page.
    if (document.documentElement.lang !== this.language) document.documentElement.lang = this.language;
    const title = unread === 0 ? this.words.name : `(${unread}) ${this.words.name}`;
    if (document.title !== title) document.title = title; // Browsers replace a title even by the same.
    render(this.#page(dialog), this.root);
    this.#composer.settle();
    this.#discussion.follow();
    settleDialog(this.root, dialog, before, this.#beside);
    this.#focus.confine(this.#beside);
    this.#focus.settle(path);
  }

  #typedLogin(login: string): void {
    this.#lastLogin = login;
    keepLastLogin(this.settings.choices.offTheRecord ? "" : login);
  }

  #page(dialog: DialogContent | undefined): TemplateResult {
    const joined = this.messenger.login !== undefined;
    const join: JoinHost = {
      lastLogin: this.#lastLogin,
      invitedBy: this.invitedBy,
      typed: (login) => this.#typedLogin(login),
      invited: (invitation) => {
        this.follow(invitation);
        if ("login" in invitation) this.messenger.alert = phrase("inviteTyped", invitation.login);
      },
    };
    return html`${bar(this, joined)} ${joined ? this.#conversation.render() : joinView(this, join)} ${dialogElement(this, dialog, this.#beside)}`;
  }
}
