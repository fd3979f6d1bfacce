import { type Phrase, phrase } from "../words.js";

/** How long the page waits for the answer to its question, in ms. */
const ANSWER_TIMEOUT = 5_000;
/** After this many attempts in a row that came to nothing, the page looks for what is in the way. */
const LOOK_AFTER = 2;
/** After every so many more attempts that come to nothing, the page looks again. */
const LOOK_EVERY = 3;

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

/** Looks for what is in the way once several attempts to connect in a row have come to nothing. */
export class ObstacleSearch {
  /** What is in the way, if that is known. */
  found: Phrase | undefined;
  #vain = 0;
  /** What was found last. */
  #suspected: Phrase | undefined;

  constructor(
    private readonly look: () => Promise<Phrase | undefined>,
    /** `found` has changed. */
    private readonly changed: () => void,
  ) {}

  /** The page is connected. */
  none(): void {
    this.#vain = 0;
    this.#suspected = this.found = undefined;
  }

  /**
   * An attempt has come to nothing. What is found twice in a row counts: a service that has just come back answers the question although
   * the attempt before it failed.
   */
  failed(): void {
    if (++this.#vain < LOOK_AFTER || (this.#vain - LOOK_AFTER > 1 && (this.#vain - LOOK_AFTER) % LOOK_EVERY !== 0)) return;
    void this.look().then((found) => {
      if (this.#vain === 0) return; // The page is connected by now.
      const before = this.#suspected;
      this.#suspected = found;
      const obstacle = found?.key === before?.key ? found : undefined;
      if (obstacle === this.found) return;
      this.found = obstacle;
      this.changed();
    });
  }
}
