import type { Messenger } from "../messenger/messenger.js";
import { loginKey } from "../signaling/logins.js";
import { FocusRule } from "./focusrule.js";

/** What can have the focus in place of an element in it that is gone: an entry of the discussion, all of it, and a dialog. */
const PLACES = "li.message, [role=log], dialog";

/** The parts of the page without the fields in which people type. */
const PARTS = ".bar, .side, .peer, .discussion, .notice";

/** Watches where the person is, and moves the focus where the rule says. */
export class Focus {
  readonly #rule = new FocusRule();
  /** The field in which the person has typed since it got the focus. */
  #typedIn: EventTarget | undefined;

  constructor(
    private readonly root: HTMLElement,
    private readonly messenger: Messenger,
  ) {
    const listen = <K extends keyof DocumentEventMap>(type: K, act: (event: DocumentEventMap[K]) => void) => document.addEventListener(type, act, true);
    const types = ({ target }: Event) => {
      this.#rule.busy();
      if (isTextField(target)) this.#typedIn = target;
    };
    listen("input", types);
    listen("compositionstart", types);
    listen("keydown", () => this.#rule.busy());
    listen("pointerdown", () => this.#rule.busy());
    listen("focusout", ({ target }) => {
      if (target === this.#typedIn) this.#typedIn = undefined;
    });
    listen("submit", ({ target }) => {
      this.#typedIn = undefined;
      if ((target as Element).id === "connect") this.#rule.called();
    });
    listen("click", ({ target }) => {
      if ((target as Element).closest(".call") !== null) this.#rule.called();
      if ((target as Element).closest(".conversations .line, .back") !== null) this.#rule.chose();
    });
  }

  /** Whether somebody types. Nothing takes the focus away from them. */
  get typing(): boolean {
    return this.#typedIn !== undefined && this.#typedIn === document.activeElement;
  }

  /** The person has asked for a call in another way than by the page's buttons. */
  called(): void {
    this.#rule.called();
  }

  /** Returns the element that has the focus and all around it. Call it before the page is rendered. */
  path(): Element[] {
    const path = [];
    for (let at = document.activeElement; at !== null && at !== document.body; at = at.parentElement) path.push(at);
    return path;
  }

  /** The page was rendered. @param path what path returned before */
  settle(path: readonly Element[]): void {
    const { login, front } = this.messenger;
    const lost = path.length > 0 && !isUsable(document.activeElement);
    const inDialog = document.activeElement?.closest("dialog") != null;
    const { move, opened } = this.#rule.shown({ login, front, call: front?.call, phase: front?.phase ?? "off" }, lost);
    // The login stays in its field until the call is answered, so that it can be corrected or tried again.
    const other = document.getElementById("other-login") as HTMLInputElement | null;
    if (opened && other !== null && other !== this.#typedIn && loginKey(other.value) === front?.key) other.value = "";
    if (move === "nearby") focus(path.slice(1).find((place) => place.matches(PLACES) && isUsable(place)) ?? this.#continues());
    else if (move === "on" && !inDialog) focus(this.#continues());
  }

  /** While a dialog is open beside what the person types, they reach that and the dialog, as with a modal dialog. */
  confine(beside: boolean): void {
    for (const part of this.root.querySelectorAll<HTMLElement>(PARTS)) part.inert = beside && !part.contains(document.activeElement);
  }

  /** Where the person continues. */
  #continues(): Element | undefined {
    const { front } = this.messenger;
    const fields = front === undefined ? ["login", "other-login", "message"] : ["message", "other-login"];
    // On a phone, one of the two is out of sight.
    const field = fields.map((id) => document.getElementById(id)).find(isUsable);
    // On a touch screen, a field with the focus brings up a keyboard, which hides what the person wants to read.
    if (!matchMedia("(pointer: coarse)").matches) return field ?? undefined;
    return [document.getElementById("discussion"), this.root.querySelector("main")].find(isUsable) ?? undefined;
  }
}

function isTextField(target: EventTarget | null): target is HTMLElement {
  return target instanceof HTMLTextAreaElement || (target instanceof HTMLInputElement && target.type === "text");
}

/** Whether an element can have the focus, or hold what has it: it is in the page, in sight and not disabled. */
function isUsable(element: Element | null): boolean {
  return element !== null && element !== document.body && element.getClientRects().length > 0 && !element.matches(":disabled");
}

function focus(place: Element | undefined): void {
  const element = place instanceof HTMLDialogElement ? place.querySelector("h2") : place;
  if (!(element instanceof HTMLElement)) return;
  if (element.tabIndex < 0 && !element.hasAttribute("tabindex")) {
    element.tabIndex = -1;
    element.addEventListener("blur", () => element.removeAttribute("tabindex"), { once: true });
  }
  element.focus();
}
