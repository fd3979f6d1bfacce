import type { Call } from "../call/call.js";
import type { LiveConversation } from "../messenger/liveconversation.js";
import type { Messenger } from "../messenger/messenger.js";
import { loginKey } from "../signaling/logins.js";

/** Moves the focus to where the person continues, when the element that had it is gone or of no more use. */
export class Focus {
  // What the page showed last.
  #login: string | undefined;
  #front: LiveConversation | undefined;
  #call: Call | undefined;
  #open = false;

  constructor(
    private readonly root: HTMLElement,
    private readonly messenger: Messenger,
  ) {}

  /**
   * The page was rendered.
   * @param active the element that had the focus before; undefined: a dialog is open, and the focus stays
   */
  settle(active: Element | null | undefined): void {
    const { login, front } = this.messenger;
    if (active !== undefined) this.#move(active);
    this.#login = login;
    this.#front = front;
    this.#call = front?.call;
    this.#open = front?.phase === "open";
  }

  #move(active: Element | null): void {
    const { login, front } = this.messenger;
    const lost = !this.root.contains(document.activeElement);
    const open = front?.phase === "open";
    if (login !== this.#login) {
      focus(login === undefined ? "login" : "other-login");
    } else if (front !== this.#front) {
      // Somebody who has chosen a conversation continues in it. Somebody who is busy elsewhere keeps the focus.
      const chose = (active?.closest(".conversations, .back") ?? null) !== null;
      if (front === undefined) focus("other-login");
      else if (chose || (lost && active !== document.body)) focus("message");
    }
    const call = front?.call;
    if (open && (!this.#open || call !== this.#call)) {
      const calling = lost || active === null || active === document.body || active.closest("#connect, .peer") !== null;
      if (call?.outgoing === true && calling) focus("message");
      // The login stays in its field until the call is answered, so that it can be corrected or tried again.
      const other = document.getElementById("other-login") as HTMLInputElement | null;
      if (other !== null && loginKey(other.value) === front.key) other.value = "";
    } else if (call === undefined && this.#call !== undefined && lost) {
      focus("message");
    }
  }
}

function focus(id: string): void {
  const element = document.getElementById(id);
  const writes = element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement;
  // On a touch screen, a field with the focus brings up a keyboard, which hides what the person wants to read.
  const place = writes && matchMedia("(pointer: coarse)").matches ? document.getElementById("discussion") : element;
  place?.focus();
}
