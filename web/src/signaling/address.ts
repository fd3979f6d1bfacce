/** Where the service is when the page has been opened from disk. */
const DEFAULT_SERVICE = "ws://localhost:7777";

/**
 * The address of the service of a page at `page`: `ws` beside the page, wherever the service is mounted; for a
 * page from disk, what its `?service=` says.
 */
export function serviceAddress(page: string): string {
  const { protocol, searchParams } = new URL(page);
  if (protocol === "file:") return searchParams.get("service") ?? DEFAULT_SERVICE;
  const address = new URL("ws", page);
  address.protocol = protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}
