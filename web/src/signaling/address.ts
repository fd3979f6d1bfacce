/** The service's address for a page that was opened from disk. */
const DEFAULT_SERVICE = "ws://localhost:7777";

/**
 * The WebSocket address of the service for the page at `page`. It is `ws` beside the page, wherever the service is
 * mounted. A page from disk says it with `?service=`.
 */
export function serviceAddress(page: string): string {
  const { protocol, searchParams } = new URL(page);
  if (protocol === "file:") return searchParams.get("service") ?? DEFAULT_SERVICE;
  const address = new URL("ws", page);
  address.protocol = protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}
