import { type Phrase, phrase } from "../words.js";

/** How long the page waits for the answer to its question, in ms. */
const ANSWER_TIMEOUT = 5_000;

/**
 * Says why no WebSocket gets through from a page to its service. The browser does not tell a page how the service, or a proxy before it, answered
 * the handshake. So the page asks the same address by GET (messages/PROTOCOL.md, "Framing").
 * @param service the service's WebSocket address
 * @param origin the page's origin, which is also the service's
 * @returns undefined if nothing answers, or the browser does not let the page ask
 */
export async function obstacle(service: string, origin: string, get: typeof fetch = fetch): Promise<Phrase | undefined> {
  const address = new URL(service.replace(/^ws/u, "http"));
  if (address.origin !== origin) return undefined;
  address.search = `origin=${encodeURIComponent(origin)}`;
  let status: number;
  try {
    ({ status } = await get(address, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_TIMEOUT) }));
  } catch {
    return undefined;
  }
  switch (status) {
    case 426:
      return phrase("obstacleUpgrade");
    case 403:
      return phrase("obstacleOrigin", address.host);
    case 429:
    case 503:
      return phrase("obstacleFull");
    case 502:
    case 504:
      return phrase("obstacleGateway");
    default:
      return phrase("obstacleElsewhere", `${address.origin}${address.pathname}`);
  }
}
