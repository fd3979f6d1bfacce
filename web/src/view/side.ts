import { type TemplateResult, html, nothing } from "../../vendor/lit-html/lit-html.js";
import { firstSeen, legible } from "../characters.js";
import type { LiveConversation } from "../messenger/liveconversation.js";
import type { Words } from "../words.js";
import { alert } from "./alert.js";
import { inviteDialog } from "./invite.js";
import { avatar, icon } from "./icons.js";
import { invitationIn } from "./invitelink.js";
import { keepFromSubmitting } from "./keys.js";
import type { Page } from "./page.js";

/** How much of a text is examined for something that can be seen, in UTF-16 units. */
const LOOK_AT = 10_000;

/**
 * The form to connect to somebody, and the list of conversations.
 * @param alerts whether the alert is shown here. On a phone nothing else may be in sight
 */
export function side(page: Page, alerts: boolean): TemplateResult {
  const { messenger, words } = page;
  const connect = (event: SubmitEvent) => {
    event.preventDefault();
    const field = document.getElementById("other-login") as HTMLInputElement;
    const invitation = invitationIn(field.value, location.href);
    if (invitation !== undefined && "fault" in invitation) {
      messenger.alert = invitation.fault;
      page.changed();
      return;
    }
    if (invitation !== undefined) field.value = invitation.login;
    messenger.connect(field.value);
  };
  const conversations = messenger.conversations;
  return html`
    <div class="side">
      <form id="connect" class="connect" @submit=${connect} novalidate>
        <div class="form-floating">
          <input
            id="other-login"
            class="form-control"
            type="text"
            placeholder=${words.otherLogin}
            autocomplete="off"
            autocapitalize="none"
            spellcheck="false"
            dir="auto"
            @keydown=${keepFromSubmitting}
          />
          <label for="other-login">${words.otherLogin}</label>
        </div>
        <button class=${messenger.front?.call === undefined ? "btn btn-primary" : "btn btn-quiet"}>${words.connectTo}</button>
        <button type="button" class="btn btn-sm btn-link invite" @click=${() => page.open(inviteDialog(page))}>
          ${icon("invite")}${words.invite}
        </button>
      </form>
      ${alerts ? alert(page) : nothing}
      ${conversations.length === 0
        ? html`<p class="quiet start">${words.start}</p>`
        : html`<ul class="conversations" aria-label=${words.conversations}>
            ${conversations.map((conversation) => line(page, conversation))}
          </ul>`}
    </div>
  `;
}

function line({ messenger, words }: Page, conversation: LiveConversation): TemplateResult {
  const { peer, unread, online, phase } = conversation;
  const front = conversation === messenger.front;
  return html`
    <li>
      <button type="button" class="line" aria-current=${front ? "true" : nothing} @click=${() => messenger.show(conversation)}>
        <span class="portrait">
          ${avatar(peer)}
          ${online !== undefined
            ? html`<span class="presence" data-online=${online}><span class="visually-hidden">${online ? words.online : words.away}</span></span>`
            : phase === "open"
              ? html`<span class="talking"><span class="visually-hidden">${words.connected}</span></span>`
              : nothing}
        </span>
        <span class="line-text">
          <strong dir="auto">${legible(peer)}</strong>
          <span class="line-state" dir="auto">${stateText(words, conversation)}</span>
        </span>
        ${unread === 0
          ? nothing
          : html`<span class="badge rounded-pill unread"
              ><span aria-hidden="true">${unread > 999 ? "999+" : unread}</span><span class="visually-hidden">${words.unread(String(unread))}</span></span
            >`}
      </button>
    </li>
  `;
}

/** The state of the call, or the last message. */
function stateText(words: Words, { phase, entries, typing, peer }: LiveConversation): string {
  if (typing) return words.isTyping(peer);
  switch (phase) {
    case "asking":
      return words.requestFrom(peer);
    case "calling":
      return `${words.callingTo}…`;
    case "connecting":
      return `${words.connectingTo}…`;
    case "reconnecting":
      return `${words.reconnectingTo}…`;
  }
  for (let i = entries.length - 1; i >= 0; i--) {
    const entry = entries[i]!;
    if (entry.kind === "own" || entry.kind === "received") return excerpt(words, entry.text);
    if (entry.kind === "file") return legible(entry.file.name);
  }
  return "";
}

/** The first line or so of a text, as far as it can be seen. */
function excerpt(words: Words, text: string): string {
  const start = firstSeen(text.slice(0, LOOK_AT));
  return start < 0 ? words.invisible : text.slice(start, start + 120);
}
