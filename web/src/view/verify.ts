import { type TemplateResult, html, nothing } from "../../vendor/lit-html/lit-html.js";
import type { LiveConversation } from "../messenger/liveconversation.js";
import { safetyNumber } from "../identity/safety.js";
import { icon } from "./icons.js";
import type { DialogContent, Page } from "./page.js";
import { qrCode } from "./qr.js";

/** Shows the safety number. Two people compare it. */
export function verifyDialog(page: Page, conversation: LiveConversation): DialogContent {
  const { peer, trust } = conversation;
  const digits = trust === undefined ? [] : safetyNumber(trust.fingerprints.own, trust.fingerprints.peer);
  return {
    id: `verify ${conversation.key}`,
    title: ({ verify }) => verify(peer),
    body: ({ words, messenger }) => {
      const current = conversation.trust;
      const verified = current?.kind === "accepted" && current.verified;
      const mark = () => {
        void messenger.verify(conversation, !verified);
        if (!verified) page.open(undefined);
      };
      // Somebody else may be connected now.
      const same = current !== undefined && current === trust;
      return html`
        <p dir="auto">${words.verifyText(peer)}</p>
        ${verified ? html`<p class="verified">${icon("shield")}${words.verified}</p>` : nothing}
        <p class="safety-number" role="group" aria-label=${words.safetyNumber}>${digits.map((group) => html`<span>${group}</span> `)}</p>
        ${qrCode(digits.join(""), words.safetyCode)}
        <div class="dialog-actions">
          <button type="button" class=${verified ? "btn btn-outline-secondary" : "btn btn-primary"} ?disabled=${!same} @click=${mark}>
            ${verified ? words.verifyRevoke : words.verifyConfirm}
          </button>
        </div>
      `;
    },
  };
}

/** Says that a login has another identity than before. Nothing is sent to it until the person decides. */
export function changedDialog(page: Page, conversation: LiveConversation): DialogContent {
  const { peer, trust, call } = conversation;
  const { words, messenger } = page;
  return {
    id: `changed ${conversation.key} ${call?.id ?? ""}`,
    title: ({ identityChanged }) => identityChanged(peer),
    urgent: true,
    unasked: true,
    body: ({ takesDecisions }): TemplateResult => html`
      <p dir="auto">${words.identityChangedText(peer)}</p>
      ${trust?.kind === "changed" && trust.wasVerified ? html`<p dir="auto"><strong>${words.identityChangedWasVerified(peer)}</strong></p>` : nothing}
      <div class="dialog-actions">
        <button type="button" class="btn btn-outline-secondary" ?disabled=${!takesDecisions} @click=${() => void messenger.goOn(conversation)}>${words.goOn}</button>
        <button
          type="button"
          class="btn btn-primary"
          ?disabled=${!takesDecisions}
          aria-label=${words.disconnectFrom(peer)}
          @click=${() => call !== undefined && messenger.disconnect(call)}
        >
          ${words.disconnect}
        </button>
      </div>
    `,
  };
}
