import type { Trouble } from "../conversation/reopening.js";
import type { ImportSummary } from "../conversation/importing.js";
import type { Phrase } from "../words.js";

/** A file that can be imported. */
export interface Import {
  /** What the import does. */
  readonly summary: ImportSummary;
  /** Does it. Returns what it has done, or why nothing was imported. */
  bringIn(): Promise<ImportSummary | Phrase>;
}

/** What the view needs from the device beyond the messenger. */
export interface Device {
  /** Whether the page may show notifications. `missing`: the browser shows none for this page. `default`: it must ask first. */
  readonly notifications: "missing" | "default" | "granted" | "denied";
  /** Whether the browser keeps data for this page; undefined: not known yet. */
  readonly keeps: boolean | undefined;
  /** Why what is to be kept is not kept now; undefined: it is, or the browser keeps nothing at all. */
  readonly trouble: Trouble | "full" | undefined;
  /** The person goes on without what the device keeps, until the page is loaded again. */
  goOnWithout(): void;
  /** Asks the person to allow notifications. Call it only when the person has just turned them on. */
  askForNotifications(): Promise<void>;
  /** Returns the history as a document; undefined: it cannot be read, or is too long. An alert has said so then. */
  export(): Promise<string | undefined>;
  /** Reads a file that Export has saved. Returns why not, if it cannot be imported. */
  readImport(file: Blob): Promise<Import | Phrase>;
  /** Deletes everything that this page keeps on the device. */
  deleteEverything(): Promise<void>;
}
