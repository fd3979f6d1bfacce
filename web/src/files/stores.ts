import { DiskStore } from "./disk.js";
import { MemoryStore } from "./memory.js";
import type { Store } from "./sinks.js";

/**
 * Opens the store for received files: on disk if the browser allows it, otherwise in memory. Pages on plain http
 * and in some private modes have no disk.
 * @param page identifies this page. A reload changes it
 */
export async function openStore(page: string): Promise<Store> {
  return (await DiskStore.open(page)) ?? new MemoryStore();
}
