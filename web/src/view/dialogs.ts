import type { DialogContent, Page } from "./page.js";
import { requestDialog } from "./request.js";
import { doubtDialog, withoutIdentityDialog } from "./verify.js";

/** How long what appears by itself takes no decision, in ms. Somebody who is about to click or type notices it first. */
export const NOTICED_AFTER = 500;

/** Knows which dialog is open. */
export class Dialogs {
  /** The dialog that the person has opened. */
  opened: DialogContent | undefined;
  /** The dialog that asks for a decision. */
  #urgent: DialogContent | undefined;
  #shown: DialogContent | undefined;
  #takesDecisions = true;

  constructor(private readonly page: Page) {}

  /** Whether the open dialog takes decisions. */
  get takesDecisions(): boolean {
    return this.#takesDecisions;
  }

  /** The ID of the dialog that was shown last. */
  get shown(): string | undefined {
    return this.#shown?.id;
  }

  /** Returns the dialog to show. One that asks for a decision comes before the one that the person has opened. */
  show(): DialogContent | undefined {
    const { messenger, device } = this.page;
    // Without a login, only the settings and their confirmations stay open.
    if (messenger.login === undefined && this.opened?.id !== "settings" && this.opened?.id.startsWith("confirm") !== true) this.opened = undefined;
    const request = messenger.requests[0];
    const doubted = messenger.conversations.find(({ trust }) => trust !== undefined && trust.kind !== "accepted");
    const waits = messenger.waitsForDevice && device.trouble !== undefined;
    const urgent = waits
      ? withoutIdentityDialog()
      : doubted !== undefined
        ? doubtDialog(this.page, doubted)
        : request !== undefined
          ? requestDialog(this.page, request)
          : undefined;
    // A dialog keeps its content while it is open.
    if (urgent?.id !== this.#urgent?.id) this.#urgent = urgent;
    const dialog = this.#urgent ?? this.opened;
    if (dialog?.id !== this.#shown?.id) this.#notice(dialog);
    this.#shown = dialog;
    return dialog;
  }

  /** Gives the person time to notice that another dialog is shown. */
  #notice(dialog: DialogContent | undefined): void {
    // A click that was meant for a dialog that opened by itself may hit the one behind it as well.
    this.#takesDecisions = dialog === undefined || (dialog.unasked !== true && this.#shown?.unasked !== true);
    if (this.#takesDecisions) return;
    setTimeout(() => {
      if (this.#shown?.id !== dialog?.id) return;
      this.#takesDecisions = true;
      this.page.changed();
    }, NOTICED_AFTER);
  }
}
