import { type TemplateResult, html } from "../../vendor/lit-html/lit-html.js";
import type { Call } from "../call/call.js";
import type { ConnectionFigures } from "../call/stats.js";
import type { LiveConversation } from "../messenger/liveconversation.js";
import { size } from "../sizes.js";
import type { Words } from "../words.js";
import type { DialogContent, Page } from "./page.js";
import { exactClock, number } from "./text.js";

/** How often the figures are read, in ms. */
const REFRESH = 1_000;

/** Shows how the two ends of a conversation's call are connected, and what the service has seen of it. When another call follows, it shows that. */
export function connectionDialog(page: Page, conversation: LiveConversation, begun: Call): DialogContent {
  let call = begun;
  let figures: ConnectionFigures | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const refresh = async () => {
    call = conversation.call ?? call;
    try {
      figures = await call.figures();
    } catch {
      // The connection is closed. The last figures stay.
    }
    page.changed();
  };
  void refresh();
  return {
    id: `connection ${begun.id}`,
    title: ({ howConnected }) => howConnected,
    body: (now) => {
      // The figures are read only while the dialog is open.
      timer ??= setTimeout(() => {
        timer = undefined;
        if (document.querySelector("#dialog[open]") !== null) void refresh();
      }, REFRESH);
      return body(now, call, figures);
    },
  };
}

function body({ words, language }: Page, call: Call, figures: ConnectionFigures | undefined): TemplateResult {
  const path = pathOf(words, figures);
  const line = (name: string, value: string) => html`<dt>${name}</dt>
    <dd>${value}</dd>`;
  return html`
    <dl class="figures">
      ${line(words.path, path)}
      ${line(words.roundTrip, figures?.roundTrip === undefined ? words.unknown : `${number(figures.roundTrip, language)} ms`)}
      ${line(words.sentBytes, size(figures?.bytesSent ?? 0, language))} ${line(words.receivedBytes, size(figures?.bytesReceived ?? 0, language))}
      ${line(words.protocol, figures?.protocol?.toUpperCase() ?? words.unknown)} ${line(words.ownEnd, figures?.ownCandidate ?? words.unknown)}
      ${line(words.otherEnd, figures?.peerCandidate ?? words.unknown)}
    </dl>
    <h3 id="journal-title">${words.whatServiceSaw}</h3>
    <p class="quiet">${words.whatServiceSawText}</p>
    <ol class="journal" aria-labelledby="journal-title">
      ${call.journal.entries.map(
        ({ time, direction, type, bytes, text }) => html`<li>
          <details>
            <summary>
              <code>${type}</code> ${direction === "sent" ? words.frameSent : words.frameReceived} ${exactClock(time, language)},
              ${words.frameBytes(number(bytes, language))}
            </summary>
            <pre tabindex="0">${text}</pre>
          </details>
        </li>`,
      )}
    </ol>
  `;
}

/** Says whether there is a relay between the two ends, whose it is, and by what this end reaches its own. */
function pathOf(words: Words, figures: ConnectionFigures | undefined): string {
  if (figures?.relayed === undefined) return words.unknown;
  if (!figures.relayed) return words.direct;
  if (figures.ownCandidate !== "relay") return words.relayedThere;
  return figures.protocol === undefined ? words.relayed : words.relayedBy(figures.protocol.toUpperCase());
}
