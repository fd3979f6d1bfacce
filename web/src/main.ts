import { invitationAt } from "./view/invitelink.js";
import { Notifications } from "./view/notifications.js";
import { View } from "./view/view.js";
import { Messenger } from "./messenger/messenger.js";
import { noticeSleep } from "./messenger/sleep.js";
import { Contacts } from "./identity/contacts.js";
import { Identity } from "./identity/identity.js";
import { openConnection } from "./conversation/database.js";
import { ImportRefused, readDocument } from "./conversation/exported.js";
import { History } from "./conversation/history.js";
import { askForPersistence, forgetPersistence } from "./conversation/persistence.js";
import { ReopeningDatabase } from "./conversation/reopening.js";
import { deleteReceivedFiles } from "./files/directory.js";
import { openStore } from "./files/stores.js";
import { serviceAddress } from "./signaling/address.js";
import { Claim } from "./signaling/claim.js";
import { GivenUp } from "./signaling/givenup.js";
import { freshId } from "./signaling/ids.js";
import { loginKey } from "./signaling/logins.js";
import { obstacle } from "./signaling/obstacle.js";
import { Tab } from "./signaling/tab.js";
import { loginOf, takeTokenFrom } from "./signaling/token.js";
import { Settings } from "./settings.js";
import { type Phrase, phrase } from "./words.js";

// This comes first, so that nothing else meets a token in the address.
let token = takeToken();

function takeToken(): string | undefined {
  const taken = takeTokenFrom(location.href);
  if (taken !== undefined) window.history.replaceState(null, "", taken.rest);
  return taken?.token;
}

/** Returns localStorage, or undefined if the browser refuses it: some throw an exception. */
function shelf(): Storage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}

/** Sets Bootstrap's colours to what the person has chosen, or else to those of the system. */
function followColorScheme(): void {
  const dark = settings.choices.darkMode ?? systemDark.matches;
  document.documentElement.setAttribute("data-bs-theme", dark ? "dark" : "light");
}

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const settings: Settings = new Settings(shelf(), () => {
  followColorScheme();
  messenger.settingsChanged();
  view.changed();
}, loginKey);
const offTheRecord = () => settings.choices.offTheRecord;
const device = new ReopeningDatabase(
  {
    changed: () => view.changed(),
    back: (fresh) => {
      if (fresh) settings.choose({}); // They may be lost with the database.
      history.hurry();
      void messenger.deviceBack(fresh);
    },
    written: () => {
      if (!offTheRecord()) askForPersistence(shelf());
    },
  },
  openConnection,
);
const database = device.found;
void database.then(() => view.changed());
const alarm = (said: Phrase) => {
  view.open(undefined); // A dialog would cover the alert.
  messenger.alert = said;
};
const history = new History(
  database,
  offTheRecord,
  () => view.changed(),
  (asked) => {
    if (asked) alarm(phrase("deviceFailed"));
    view.changed();
  },
);
const contacts = new Contacts(database, offTheRecord);
const notifications = new Notifications(() => settings.choices.notifications);
const messenger: Messenger = new Messenger({
  url: serviceAddress(location.href),
  obstacle: () => obstacle(serviceAddress(location.href), location.origin),
  settings,
  keeper: history,
  files: openStore(freshId(), () => !offTheRecord()),
  identity: new Identity(database),
  contacts,
  tab: new Tab(() => !offTheRecord()),
  claim: new Claim(),
  givenUp: new GivenUp(shelf(), () => !offTheRecord()),
  changed: () => {
    view.changed();
    connectToInviter();
  },
  arrived: (conversation) =>
    notifications.tell(conversation.peer, () => {
      messenger.show(conversation);
    }),
});
const view: View = new View(document.getElementById("app")!, messenger, settings, {
  get keeps() {
    return history.keeps;
  },
  get trouble() {
    return device.trouble ?? (history.full ? "full" : history.failing || contacts.failing ? "failing" : undefined);
  },
  goOnWithout: () => device.giveUp(),
  get notifications() {
    return notifications.state;
  },
  askForNotifications: () => notifications.ask(),
  export: () =>
    history
      .export(new Date())
      .then((exported) => JSON.stringify(exported, undefined, 2)) // It may be longer than a browser's strings can be.
      .catch(() => {
        alarm(phrase("deviceFailed"));
        return undefined;
      }),
  readImport: async (file) => {
    try {
      const document = await readDocument(file);
      const summary = await history.import(document, true);
      const bringIn = async () => {
        const done = await history.import(document, false);
        await messenger.refresh();
        return done;
      };
      return { summary, bringIn: () => bringIn().catch(whyNotImported) };
    } catch (error) {
      return whyNotImported(error);
    }
  },
  deleteEverything: async () => {
    await messenger.forget();
    await history.drop();
    contacts.forget();
    let deleted = true;
    await (await database)?.clear().catch(() => (deleted = false));
    await deleteReceivedFiles();
    settings.clear();
    try {
      sessionStorage.clear();
    } catch {
      // A browser that refuses it keeps nothing there.
    }
    view.forget();
    await messenger.renewIdentity();
    forgetPersistence(shelf());
    if (!deleted) alarm(phrase("deviceFailed"));
  },
});

function whyNotImported(error: unknown): Phrase {
  if (error instanceof ImportRefused) return error.said;
  const name = error instanceof DOMException ? error.name : "";
  return phrase(name === "QuotaExceededError" ? "importNoRoom" : name === "NotReadableError" || name === "NotFoundError" ? "importUnreadable" : "importFailed");
}

/** Connects to the person whose link this page was opened with, once the service is ready. */
function connectToInviter(): void {
  if (view.invitedBy === undefined || messenger.login === undefined || !messenger.serviceReady) return;
  window.history.replaceState(null, "", location.pathname + location.search);
  view.connectToInviter();
}

function readAddress(): void {
  const invitation = invitationAt(location.href);
  if (token === undefined || invitation !== undefined) view.invitedBy = undefined;
  if (token !== undefined) {
    messenger.takeToken(token); // An invitation from before stays.
    view.propose(loginOf(token));
  }
  token = undefined;
  if (invitation !== undefined) view.follow(invitation);
  view.changed();
  connectToInviter();
}

systemDark.addEventListener("change", followColorScheme);
followColorScheme();
addEventListener("hashchange", () => {
  token = takeToken();
  readAddress();
});
addEventListener("storage", () => settings.reread());
addEventListener("pagehide", () => {
  messenger.leavePage();
  history.hurry();
  view.leavePage();
});
addEventListener("pageshow", async (event) => {
  if (!event.persisted) return;
  // The browser has kept the page while another one was in the tab, or several were. What they have written is shown.
  view.comeBack();
  if (!(await messenger.comeBack())) location.reload();
});
addEventListener("beforeunload", (event) => {
  if (messenger.undelivered) event.preventDefault();
});
const attend = () => messenger.attend(document.visibilityState === "visible" && document.hasFocus());
for (const type of ["focus", "blur"]) addEventListener(type, attend);
document.addEventListener("visibilitychange", () => {
  attend();
  if (document.visibilityState === "hidden") history.hurry();
  else messenger.woke();
});
attend();
noticeSleep(() => messenger.woke());
document.addEventListener("resume", () => messenger.woke()); // Page Lifecycle: the browser had frozen the page.
addEventListener("online", () => messenger.networkChanged());
addEventListener("offline", () => messenger.networkLost());
// The event also reports, every few seconds, how fast the network seems to be. Only another type means another network.
const network = (navigator as { connection?: EventTarget & { type?: string } }).connection;
let networkType = network?.type;
network?.addEventListener?.("change", () => {
  if (network.type === networkType) return;
  networkType = network.type;
  messenger.networkChanged();
});
messenger.connectToService();
void messenger.resume();
readAddress();
