import { Messenger } from "./messenger.js";
import { View } from "./view.js";

/** Where the service is when the page has been opened from disk. */
const DEFAULT_SERVICE = "ws://localhost:7777";

/** The address of the service: where the page came from; for a page from disk, what `?service=` says. */
function serviceAddress(): string {
  if (location.protocol === "file:") {
    return new URLSearchParams(location.search).get("service") ?? DEFAULT_SERVICE;
  }
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/ws`;
}

/** Bootstrap's colours follow the system. */
function followColorScheme(): void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => document.documentElement.setAttribute("data-bs-theme", dark.matches ? "dark" : "light");
  dark.addEventListener("change", apply);
  apply();
}

followColorScheme();
const messenger: Messenger = new Messenger(serviceAddress(), () => view.changed());
const view = new View(document.getElementById("app")!, messenger);
addEventListener("pagehide", () => messenger.leavePage());
addEventListener("beforeunload", (event) => {
  if (messenger.undelivered) event.preventDefault();
});
addEventListener("online", () => messenger.reconnect());
messenger.start();
view.changed();
