/** Tells of messages that the person does not see, where the browser can and the person wants it. */
export class Notifications {
  /** @param wanted whether the person wants them */
  constructor(private readonly wanted: () => boolean) {}

  get state(): "missing" | "default" | "granted" | "denied" {
    return typeof Notification === "undefined" || !isSecureContext ? "missing" : Notification.permission;
  }

  /** Asks the person; only ever because the person has just asked for them. */
  async ask(): Promise<void> {
    if (this.state === "default") await Notification.requestPermission();
  }

  /**
   * Tells that somebody has written. What they have written is nobody's business who sees the screen.
   * @param name of whom it is
   * @param clicked the person wants to see it
   */
  tell(name: string, clicked: () => void): void {
    if (!this.wanted() || this.state !== "granted" || (document.visibilityState === "visible" && document.hasFocus())) return;
    try {
      // One for each person: a second message takes the place of the first.
      const notification = new Notification(name, { tag: name, icon: "icon.svg" });
      notification.onclick = () => {
        window.focus();
        notification.close();
        clicked();
      };
    } catch {
      // Some phones' browsers show them by service workers only.
    }
  }
}
