import { legible } from "../characters.js";

/** Notifies the person of messages that they do not see, if they want that and the browser can. */
export class Notifications {
  /** @param wanted returns whether the person wants notifications */
  constructor(private readonly wanted: () => boolean) {}

  get state(): "missing" | "default" | "granted" | "denied" {
    return typeof Notification === "undefined" || !isSecureContext ? "missing" : Notification.permission;
  }

  /** Asks the person to allow notifications. Call it only when the person has just turned them on. */
  async ask(): Promise<void> {
    if (this.state === "default") await Notification.requestPermission();
  }

  /**
   * Says that somebody has written. The text is not shown, because others may see the screen.
   * @param name who has written
   * @param clicked is called when the person clicks the notification
   */
  tell(name: string, clicked: () => void): void {
    if (!this.wanted() || this.state !== "granted" || (document.visibilityState === "visible" && document.hasFocus())) return;
    try {
      // Each sender has one notification: a second message replaces the first.
      const notification = new Notification(legible(name), { tag: name, icon: "icon.svg" });
      notification.onclick = () => {
        window.focus();
        notification.close();
        clicked();
      };
    } catch {
      // Some browsers on phones show notifications only through a service worker.
    }
  }
}
