import type { TemplateResult } from "../../vendor/lit-html/lit-html.js";
import type { Messenger } from "../messenger/messenger.js";
import type { Settings } from "../settings.js";
import type { Language, Words } from "../words.js";
import type { Device } from "./device.js";

/** What every part of the view works with. */
export interface Page {
  readonly messenger: Messenger;
  readonly settings: Settings;
  readonly device: Device;
  readonly words: Words;
  /** BCP 47 tag of the page's language. */
  readonly language: Language;
  /** False for a moment after a dialog has opened by itself. A click or a key was meant for something else then. */
  readonly takesDecisions: boolean;
  /** Renders the page again soon. */
  changed(): void;
  /** Opens a dialog in place of the open one; undefined: only closes that. */
  open(dialog: DialogContent | undefined): void;
}

/** What a dialog shows. */
export interface DialogContent {
  /** Identifies the dialog. One with another ID opens anew and gets the focus. */
  id: string;
  title: (words: Words) => string;
  /** It asks for a decision that cannot wait, and closes only by its buttons. */
  urgent?: boolean;
  body: (page: Page) => TemplateResult;
  /** An element of the body gets the focus first. Otherwise the title gets it. */
  focused?: boolean;
  /**
   * It opens by itself, perhaps while somebody types or clicks. Its buttons are disabled until the page takes decisions,
   * and none of them gets the focus first.
   */
  unasked?: boolean;
  /** The person has pressed Escape, or Close. */
  dismissed?: () => void;
}
