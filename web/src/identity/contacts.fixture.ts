import type { Database } from "../conversation/database.js";
import { Contacts } from "./contacts.js";

/** Contacts on a device in memory. The device can be read once `reading.may` has resolved. */
export function contactsInMemory(): { contacts: Contacts; reading: { may: Promise<void> } } {
  const reading = { may: Promise.resolve() };
  const kept = new Map<string, unknown>();
  const database = {
    get: async (_store, key) => {
      await reading.may;
      return kept.get(JSON.stringify(key));
    },
    change: async (changes) => {
      for (const change of changes) if ("value" in change) kept.set(JSON.stringify(change.key), change.value);
    },
  } as Partial<Database> as Database;
  return { contacts: new Contacts(Promise.resolve(database), () => false), reading };
}
