import { type TemplateResult, html, nothing } from "../../vendor/lit-html/lit-html.js";
import { legible } from "../characters.js";
import type { LiveConversation } from "../messenger/liveconversation.js";
import { alert } from "./alert.js";
import type { Composer } from "./composer.js";
import { connectionDialog } from "./connection.js";
import { confirmation } from "./dialog.js";
import { NOTICED_AFTER } from "./dialogs.js";
import type { Discussion } from "./discussion.js";
import { carriesFiles, droppedFiles, droppedText, isField } from "./attaching.js";
import { avatar, icon, iconButton } from "./icons.js";
import type { Page } from "./page.js";
import { side } from "./side.js";
import { verifiedText, verifyDialog } from "./verify.js";

/** The page after Join: the list of conversations beside the one in front. A phone shows one of the two. */
export class ConversationView {
  /** Whether files are being dragged over the conversation. */
  #dropping = false;
  /** Whether what is being dragged is a part of this page. */
  #draggingOwn = false;
  /** Whether the button that calls is shown. */
  #calls = false;
  /** Runs while a call of the other side has just taken its place. A click was meant to call then, and must not hang up. */
  #hasty: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly page: Page,
    private readonly discussion: Discussion,
    private readonly composer: Composer,
  ) {
    addEventListener("dragstart", () => (this.#draggingOwn = true));
    addEventListener("dragend", () => (this.#draggingOwn = false));
  }

  render(): TemplateResult {
    const { messenger, words } = this.page;
    const { front } = messenger;
    const drag = (dropping: boolean) => {
      if (this.#dropping === dropping) return;
      this.#dropping = dropping;
      this.page.changed();
    };
    const dragged = (event: DragEvent) => {
      if (carriesFiles(event)) drag(true);
      else if (isField(event.target) || this.#draggingOwn) return;
      event.preventDefault();
    };
    const dragLeft = (event: DragEvent) => {
      if (!(event.currentTarget as Node).contains(event.relatedTarget as Node | null)) drag(false);
    };
    const dropped = (event: DragEvent) => {
      drag(false);
      const { dataTransfer } = event;
      const files = carriesFiles(event);
      if (dataTransfer === null || (!files && (isField(event.target) || this.#draggingOwn))) return;
      event.preventDefault();
      if (files) messenger.attach(droppedFiles(dataTransfer));
      else this.composer.insert(droppedText(dataTransfer));
    };
    // A phone shows the list, unless a conversation is in front or the list is empty.
    const listed = front === undefined && messenger.conversations.length > 0;
    return html`
      <main class="messenger" data-pane=${listed ? "list" : "conversation"}>
        ${side(this.page, listed)}
        <section
          class=${this.#dropping ? "conversation dropping" : "conversation"}
          data-drop=${words.dropHere}
          @dragover=${dragged}
          @dragleave=${dragLeft}
          @drop=${dropped}
        >
          ${front === undefined ? html`<div class="peer"><span class="text-body-secondary">${words.nobody}</span></div>` : this.#head(front)}
          ${listed ? nothing : alert(this.page)} ${this.discussion.render(front)} ${this.composer.render()}
        </section>
      </main>
    `;
  }

  /** The other login, the state of its call, and the buttons. The row keeps its place and height, so that no button moves under the pointer. */
  #head(conversation: LiveConversation): TemplateResult {
    const { messenger, words } = this.page;
    const { peer, phase, call, trust } = conversation;
    const blocked = this.page.settings.choices.blocked.includes(conversation.key);
    const open = phase === "open" || phase === "reconnecting";
    const text = {
      off: words.notConnectedTo,
      asking: words.notConnectedTo,
      calling: words.callingTo,
      connecting: words.connectingTo,
      open: words.connectedTo,
      reconnecting: words.reconnectingTo,
    }[phase];
    const moving = phase === "calling" || phase === "connecting" || phase === "reconnecting";
    const remove = () =>
      this.page.open(
        confirmation(({ deleteConversation }) => deleteConversation(peer), words.deleteConversationQuestion(peer), words.deleteIt, () => void messenger.delete(conversation)),
      );
    const end = () => messenger.hangUp(conversation);
    const off = phase === "off" || phase === "asking";
    if (!off && this.#calls && call?.outgoing === false && performance.now() - conversation.began < NOTICED_AFTER) {
      clearTimeout(this.#hasty);
      this.#hasty = setTimeout(() => {
        this.#hasty = undefined;
        this.page.changed();
      }, NOTICED_AFTER);
    }
    this.#calls = off;
    return html`
      <div class="peer" data-phase=${phase}>
        <button type="button" class="btn btn-icon back" aria-label=${words.back} title=${words.back} @click=${() => messenger.show(undefined)}>
          ${icon("back")}
        </button>
        ${avatar(peer)}
        <span class="who" role="status" aria-live=${moving ? "polite" : "off"}>
          <span class="who-state">${text}</span> <strong dir="auto">${legible(peer)}</strong>${moving ? "…" : ""}
          ${trust?.kind === "accepted" && trust.verified ? html`<span class="verified">${icon("shield")}<span class="verified-word">${verifiedText(this.page, conversation)}</span></span>` : nothing}
        </span>
        <span class="tools">
          ${trust?.lasting === true ? iconButton("shield", words.verify(peer), () => this.page.open(verifyDialog(this.page, conversation))) : nothing}
          ${call === undefined ? nothing : iconButton("info", words.howConnected, () => this.page.open(connectionDialog(this.page, conversation, call)))}
          <button
            type="button"
            class=${blocked ? "btn btn-icon pressed" : "btn btn-icon"}
            aria-label=${blocked ? words.unblock(peer) : words.block(peer)}
            title=${blocked ? words.unblock(peer) : words.block(peer)}
            @click=${() => (blocked ? messenger.unblock(peer) : messenger.block(peer))}
          >
            ${icon("block")}
          </button>
          ${iconButton("trash", words.deleteConversation(peer), remove)}
        </span>
        ${off
          ? html`<button type="button" class="btn btn-sm btn-quiet call" aria-label=${words.connectAgainTo(peer)} @click=${() => messenger.connect(peer)}>
              ${words.callPeer}
            </button>`
          : open
            ? html`<button type="button" class="btn btn-sm btn-outline-danger" ?disabled=${this.#hasty !== undefined} aria-label=${words.disconnectFrom(peer)} @click=${end}>
                ${words.disconnect}<span class="wide">&nbsp;${words.from(peer)}</span>
              </button>`
            : html`<button type="button" class="btn btn-sm btn-outline-secondary" ?disabled=${this.#hasty !== undefined} aria-label=${words.cancelCall(peer)} @click=${end}>
                ${words.cancel}
              </button>`}
      </div>
    `;
  }
}
