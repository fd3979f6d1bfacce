import { type TemplateResult, html, nothing } from "../../vendor/lit-html/lit-html.js";
import { legible } from "../characters.js";
import type { FileDescription } from "../conversation/conversation.js";
import type { Transfer } from "../files/transfer.js";
import { size as sizeText } from "../sizes.js";
import type { Words } from "../words.js";
import { address } from "./addresses.js";
import type { Pictures } from "./pictures.js";

/** What the entries of files need from the page. */
export interface FilesHost {
  readonly words: Words;
  /** BCP 47 tag of the page's language. */
  readonly language: string;
  /** The largest file that this page takes, in bytes. */
  readonly limit: number;
  readonly pictures: Pictures;
  accept(transfer: Transfer): void;
  decline(transfer: Transfer): void;
  cancel(transfer: Transfer): void;
}

/** A file in the discussion, without its author and time. */
export function fileEntry(transfer: Transfer, peer: string, host: FilesHost): TemplateResult {
  const { words, language } = host;
  const { size, type, state } = transfer;
  const kind = type === "" ? nothing : html` · <bdi>${legible(type)}</bdi>`;
  return html`
    <div class="bubble file" data-state=${state}>
      ${picture(transfer, host)}
      <div class="file-name"><strong dir="auto">${legible(transfer.name)}</strong></div>
      <div class="file-kind">${sizeText(size, language)}${kind}</div>
      ${progress(transfer, host)}
      <div class="file-state">${stateText(transfer, peer, host)}</div>
      <div class="file-actions">${actions(transfer, words, host)}</div>
    </div>
  `;
}

function picture({ blob, picture, name, direction }: Transfer, { pictures, words }: FilesHost): TemplateResult | typeof nothing {
  if (blob === undefined || picture === undefined) return nothing;
  const shown = pictures.of(blob, picture);
  switch (shown.kind) {
    case "nothing":
      return nothing;
    case "large":
      return html`<div class="file-state">${direction === "in" ? words.pictureTooLarge : words.ownPictureTooLarge}</div>`;
    case "place":
      return html`<canvas class="picture" role="img" aria-label=${legible(name)} width=${shown.width} height=${shown.height} .picture=${shown.blob}></canvas>`;
    case "picture":
      return html`<img class="picture" src=${address(shown.blob)} alt=${legible(name)} loading="lazy" decoding="async" @error=${hide} />`;
  }
}

/** A file that only begins like a picture is not shown. */
function hide(event: Event): void {
  (event.target as HTMLElement).hidden = true;
}

function progress(transfer: Transfer, { words, language }: FilesHost): TemplateResult | typeof nothing {
  const { name, size, bytes, state } = transfer;
  if (!["accepted", "sending", "receiving", "paused", "verifying"].includes(state)) return nothing;
  const text = words.fileProgress(sizeText(bytes, language), sizeText(size, language));
  // The bar of an empty file is full.
  return html`<progress aria-label=${legible(name)} max=${Math.max(size, 1)} value=${size === 0 ? 1 : bytes} aria-valuetext=${text}></progress>`;
}

function stateText(transfer: Transfer, peer: string, host: FilesHost): TemplateResult | string {
  const { words, language } = host;
  const { direction, state, size, bytes, speed } = transfer;
  const own = direction === "out";
  switch (state) {
    case "offered":
      return own ? words.fileWaits(peer) : words.fileOffered(peer, sizeText(host.limit, language));
    case "accepted":
      return own ? words.fileQueued : words.fileStarting;
    case "sending":
    case "receiving": {
      const text = words.fileProgress(sizeText(bytes, language), sizeText(size, language));
      const fast = speed === undefined ? "" : `, ${words.fileSpeed(sizeText(speed, language))}`;
      // Screen readers get the progress from the progress bar.
      return html`<span aria-live="off">${text}${fast}</span>`;
    }
    case "paused":
      return words.filePaused(peer);
    case "verifying":
      return words.fileChecking;
    case "done":
      return own ? words.fileSent : words.fileReceived;
    case "declined":
      if (transfer.ending?.reason === "person") return own ? words.fileDeclinedByPeer(peer) : words.fileDeclined;
      return endText(transfer, peer, host);
    case "cancelled":
    case "failed":
      return endText(transfer, peer, host);
  }
}

function endText({ ending }: Transfer, peer: string, { words, language }: FilesHost): string {
  const own = ending?.by === "own";
  const limit = sizeText(ending?.limit ?? 0, language);
  switch (ending?.reason) {
    case "limit":
      return own ? words.fileTooLarge(limit) : words.fileTooLargeThere(peer, limit);
    case "many":
      return words.fileTooMany(peer);
    case "damaged":
      return words.fileDamaged;
    case "unreadable":
      return own ? words.fileUnreadable : words.fileUnreadableThere(peer);
    case "full":
      return own ? words.fileFull : words.fileFullThere(peer);
    case "gone":
      return words.fileGone(peer);
    default:
      return own ? words.fileCancelled : words.fileCancelledByPeer(peer);
  }
}

function actions(transfer: Transfer, words: Words, host: FilesHost): TemplateResult | typeof nothing {
  const { name, state, direction, blob } = transfer;
  const button = (text: string, label: string, look: string, act: (transfer: Transfer) => void) =>
    html`<button type="button" class="btn btn-sm ${look}" aria-label=${label} @click=${() => act(transfer)}>${text}</button>`;
  switch (state) {
    case "offered":
      if (direction === "in") {
        return html`${button(words.accept, words.acceptFile(name), "btn-primary", (t) => host.accept(t))}
        ${button(words.decline, words.declineFile(name), "btn-outline-secondary", (t) => host.decline(t))}`;
      }
      break;
    case "accepted":
    case "sending":
    case "receiving":
    case "paused":
      break;
    case "done":
      if (direction === "in" && blob !== undefined) {
        return html`<a class="btn btn-sm btn-primary" href=${address(blob)} download=${legible(name)} aria-label=${words.saveFile(name)}
          >${words.save}</a
        >`;
      }
      return nothing;
    default:
      return nothing;
  }
  return button(words.cancel, words.cancelFile(name), "btn-outline-secondary", (t) => host.cancel(t));
}

/** A file of an earlier visit. Its contents are not kept. */
export function keptFile({ name, size, state }: FileDescription, words: Words, language: string): TemplateResult {
  const ended = state === "done" ? words.fileKept : state === "declined" ? words.fileWasDeclined : words.fileCameToNothing;
  return html`
    <div class="bubble file" data-state=${state}>
      <div class="file-name"><strong dir="auto">${legible(name)}</strong></div>
      <div class="file-kind">${sizeText(size, language)}</div>
      <div class="file-state">${ended}</div>
    </div>
  `;
}
