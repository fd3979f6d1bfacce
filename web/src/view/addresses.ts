/** The blob URLs of files. A file keeps its URL for as long as it exists. */
const addresses = new WeakMap<Blob, string>();
/** Revokes the URLs of files that nothing refers to. Until then a URL keeps the file's bytes, even of a deleted file. */
const gone = new FinalizationRegistry<string>((address) => URL.revokeObjectURL(address));

/** Returns the blob URL of a file. */
export function address(blob: Blob): string {
  let found = addresses.get(blob);
  if (found === undefined) {
    found = URL.createObjectURL(blob);
    addresses.set(blob, found);
    gone.register(blob, found);
  }
  return found;
}
