/** The key in localStorage that says that the page has asked. */
const KEY = "persistence";

/**
 * Asks the browser not to delete what the page keeps when room gets scarce. Firefox asks the person, so the page asks once.
 * Call it when there is something to keep.
 * @param shelf where the page notes that it has asked; undefined: the browser keeps nothing there
 */
export function askForPersistence(
  shelf: Pick<Storage, "getItem" | "setItem"> | undefined,
  storage: Pick<StorageManager, "persist"> | undefined = globalThis.navigator?.storage,
): void {
  try {
    // Without the note the page would ask at each visit. Plain http pages have no StorageManager.
    if (shelf === undefined || storage?.persist === undefined || shelf.getItem(KEY) !== null) return;
    shelf.setItem(KEY, "asked");
  } catch {
    return;
  }
  void storage.persist().catch(() => {});
}

/** Forgets that the page has asked. */
export function forgetPersistence(shelf: Pick<Storage, "removeItem"> | undefined): void {
  try {
    shelf?.removeItem(KEY);
  } catch {
    // A browser that refuses it keeps nothing there.
  }
}
