import { type TemplateResult, html, nothing } from "../../vendor/lit-html/lit-html.js";
import type { LiveConversation } from "../messenger/liveconversation.js";
import { safetyNumber } from "../identity/safety.js";
import { troubleText } from "./alert.js";
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
        void messenger.recognition?.verify(conversation, !verified);
        if (!verified) page.open(undefined);
      };
      // Somebody else may be connected now.
      const same = current !== undefined && current === trust;
      return html`
        <p dir="auto">${words.verifyText(peer)}</p>
        ${verified ? html`<p class="verified">${icon("shield")}${verifiedText(page, conversation)}</p>` : nothing}
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

/** Says that somebody is verified, and whether the device keeps that. */
export function verifiedText({ messenger, words }: Page, conversation: LiveConversation): string {
  return messenger.recognition?.keeps(conversation) === true ? words.verified : words.verifiedForNow;
}

/**
 * Says that a login has another identity than before, or that it is not known whether it has. Nothing is sent to it until the person
 * decides.
 */
export function doubtDialog(page: Page, conversation: LiveConversation): DialogContent {
  const { peer, trust, call } = conversation;
  const { words, messenger } = page;
  const unread = trust?.kind === "unread";
  const text = !unread ? words.identityChangedText(peer) : trust.damaged ? words.identityDamagedText(peer) : words.identityUnreadText(peer);
  return {
    id: `${trust?.kind ?? ""} ${conversation.key} ${call?.id ?? ""}`,
    title: ({ identityChanged, identityUnread }) => (unread ? identityUnread : identityChanged)(peer),
    urgent: true,
    unasked: true,
    body: ({ takesDecisions }): TemplateResult => html`
      <p dir="auto">${text}</p>
      ${trust?.kind === "changed" && trust.wasVerified ? html`<p dir="auto"><strong>${words.identityChangedWasVerified(peer)}</strong></p>` : nothing}
      <div class="dialog-actions">
        <button type="button" class="btn btn-outline-secondary" ?disabled=${!takesDecisions} @click=${() => void messenger.recognition?.goOn(conversation)}>${words.goOn}</button>
        <button
          type="button"
          class="btn btn-primary"
          ?disabled=${!takesDecisions}
          aria-label=${words.disconnectFrom(peer)}
          @click=${() => call?.end("hung-up")}
        >
          ${words.disconnect}
        </button>
      </div>
    `,
  };
}

/** Asks whether to join without the identity that this browser cannot read now. */
export function withoutIdentityDialog(): DialogContent {
  return {
    id: "without identity",
    title: ({ withoutIdentity }) => withoutIdentity,
    urgent: true,
    unasked: true,
    body: ({ messenger, device, words, takesDecisions }) => html`
      <p>${troubleText(words, device.trouble)}</p>
      <p>${words.withoutIdentityText}</p>
      <div class="dialog-actions">
        <button type="button" class="btn btn-primary" ?disabled=${!takesDecisions} @click=${() => messenger.cancelJoin()}>${words.cancel}</button>
        <button type="button" class="btn btn-outline-secondary" ?disabled=${!takesDecisions} @click=${() => device.goOnWithout()}>${words.joinWithout}</button>
      </div>
    `,
  };
}
