/**
 * The directory of received files in the browser's file system for this site (OPFS, the File System standard's
 * "bucket file system"). It has a directory for each page, which has a directory for each file. A file's directory has
 * its parts, numbered from 0, and ABOUT while the file is unfinished.
 */

import { BLOCK_BYTES } from "./frames.js";

/** A file is kept in parts of this size, in bytes. A crash of the page does not damage a complete part. */
export const PART_BYTES = 16 * BLOCK_BYTES;
/** The name of the file that says what an unfinished file is. */
export const ABOUT = "about";
/** The name of the directory of all received files. */
const RECEIVED = "received";
/** How long an unfinished file waits for another page to continue it, in ms. */
const ADOPTABLE = 24 * 60 * 60 * 1_000;

/** What the disk knows about an unfinished file. */
export interface About {
  key: string;
  size: number;
  /** When it was begun, as Date.now(). Pages that are closed have no other clock in common. */
  time: number;
}

/** An unfinished file and its place. */
export interface UnfinishedFile {
  about: About;
  /** The directory of the page that began it. */
  parent: FileSystemDirectoryHandle;
  directory: FileSystemDirectoryHandle;
}

/** The directory of all received files. */
export async function receivedFiles(): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle(RECEIVED, { create: true });
}

/** Marks a page's directory as in use until this page is closed. */
export function hold(page: string): Promise<void> {
  return new Promise((held, failed) => {
    navigator.locks
      .request(lockName(page), () => {
        held();
        return new Promise(() => {});
      })
      .catch(failed);
  });
}

/**
 * Removes what closed pages have left behind, except unfinished files that were begun lately. Those are returned, by
 * key, and belong to this page now.
 */
export async function adoptUnfinished(received: FileSystemDirectoryHandle): Promise<Map<string, UnfinishedFile>> {
  const { held = [], pending = [] } = await navigator.locks.query();
  const inUse = new Set([...held, ...pending].map(({ name }) => name));
  const adopted = new Map<string, UnfinishedFile>();
  for (const page of await names(received)) {
    if (inUse.has(lockName(page))) continue;
    const kept = new Set<string>();
    try {
      const parent = await received.getDirectoryHandle(page);
      for (const name of await names(parent)) {
        const file = await unfinishedFile(parent, name);
        if (file === undefined) continue;
        adopted.set(file.about.key, file);
        kept.add(name);
      }
      await removeAll(parent, (name) => !kept.has(name));
    } catch {
      // It is not a directory of a page.
    }
    if (kept.size > 0) void hold(page);
    else await removeAll(received, (name) => name === page);
  }
  return adopted;
}

/** The parts of a file that are complete. */
export async function completeParts(directory: FileSystemDirectoryHandle): Promise<FileSystemFileHandle[]> {
  const parts: FileSystemFileHandle[] = [];
  try {
    for (;;) {
      const part = await directory.getFileHandle(String(parts.length));
      if ((await part.getFile()).size !== PART_BYTES) return parts;
      parts.push(part);
    }
  } catch {
    return parts; // There are no more.
  }
}

/** Removes every received file from this device, except those that are being written. */
export async function deleteReceivedFiles(): Promise<void> {
  try {
    const directory = await receivedFiles();
    await removeAll(directory, () => true);
    // A page's directory stays if the page is writing a file. Its other files can go.
    for (const page of await names(directory)) await removeAll(await directory.getDirectoryHandle(page), () => true);
  } catch {
    // This browser keeps no files.
  }
}

function lockName(page: string): string {
  return `received files of ${page}`;
}

async function unfinishedFile(parent: FileSystemDirectoryHandle, name: string): Promise<UnfinishedFile | undefined> {
  try {
    const directory = await parent.getDirectoryHandle(name);
    const about = JSON.parse(await (await (await directory.getFileHandle(ABOUT)).getFile()).text()) as About;
    // The clock may have been set back since. Then the time lies ahead, perhaps for years.
    return Math.abs(Date.now() - about.time) < ADOPTABLE ? { about, parent, directory } : undefined;
  } catch {
    return undefined; // The file is finished, or has no complete part.
  }
}

async function names(directory: FileSystemDirectoryHandle): Promise<string[]> {
  const all: string[] = [];
  for await (const name of directory.keys()) all.push(name);
  return all;
}

async function removeAll(directory: FileSystemDirectoryHandle, which: (name: string) => boolean): Promise<void> {
  for (const name of (await names(directory)).filter(which)) {
    try {
      await directory.removeEntry(name, { recursive: true });
    } catch {
      // A file in it is being written.
    }
  }
}
