import { serviceAddress } from "./address.js";
import { Messenger } from "./messenger.js";
import { View } from "./view.js";

/** Bootstrap's colours follow the system. */
function followColorScheme(): void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => document.documentElement.setAttribute("data-bs-theme", dark.matches ? "dark" : "light");
  dark.addEventListener("change", apply);
  apply();
}

followColorScheme();
const messenger: Messenger = new Messenger(serviceAddress(location.href), () => view.changed());
const view = new View(document.getElementById("app")!, messenger);
addEventListener("pagehide", () => messenger.leavePage());
addEventListener("beforeunload", (event) => {
  if (messenger.undelivered) event.preventDefault();
});
addEventListener("online", () => messenger.online());
messenger.start();
view.changed();
