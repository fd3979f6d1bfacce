import type { ExportedHistory } from "../conversation/history.js";

/** What the view needs from the device beyond the messenger. */
export interface Device {
  /** Whether the page may show notifications. `missing`: the browser shows none for this page. `default`: it must ask first. */
  readonly notifications: "missing" | "default" | "granted" | "denied";
  /** Whether the browser keeps data for this page; undefined: not known yet. */
  readonly keeps: boolean | undefined;
  /** Asks the person to allow notifications. Call it only when the person has just turned them on. */
  askForNotifications(): Promise<void>;
  /** Returns undefined if the history cannot be read. An alert has said so then. */
  export(): Promise<ExportedHistory | undefined>;
  /** Deletes everything that this page keeps on the device. */
  deleteEverything(): Promise<void>;
}
