import { DiskStore } from "./disk.js";
import { MemoryStore } from "./memory.js";
import type { Store } from "./sinks.js";

/**
 * Opens the store for received files: on disk if the browser allows it, otherwise in memory. Pages on plain http
 * and in some private modes have no disk.
 * @param page identifies this page. A reload changes it
 * @param may returns whether the person wants files on disk now
 */
export async function openStore(page: string, may: () => boolean): Promise<Store> {
  const memory = new MemoryStore();
  const disk = await DiskStore.open(page);
  if (disk === undefined) return memory;
  const store = (): Store => (may() ? disk : memory);
  return {
    limit: () => store().limit(),
    create: (size, key) => store().create(size, key),
    // What an earlier page has stored of a file goes on where it is.
    adopt: (size, key) => disk.adopt(size, key),
  };
}
