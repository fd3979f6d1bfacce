import type { Timer } from "./connection.js";
import { isRelayUrl } from "./frames.js";

/** When servers with credentials are renewed, in ms. The credentials are valid for an hour. */
const RENEW = 50 * 60_000;
/** When they are asked for again after the service had none to offer, in ms. Those of before are valid for some minutes more. */
const RENEW_AGAIN = 3 * 60_000;

/** The ICE servers that the service offers (RFC 8445). */
export class IceServers {
  #servers: readonly RTCIceServer[] = [];
  #timer: Timer;

  /** @param ask asks the service for others */
  constructor(private readonly ask: () => void) {}

  get all(): RTCIceServer[] {
    return [...this.#servers];
  }

  /** Whether one of them is a relay. */
  get relayed(): boolean {
    return this.#servers.some(({ urls }) => [urls].flat().some(isRelayUrl));
  }

  /** A login was accepted with these. */
  begin(servers: readonly RTCIceServer[]): void {
    this.#servers = servers;
    this.#renew(RENEW);
  }

  /** The service was asked for others, and has answered. */
  renewed(servers: readonly RTCIceServer[]): void {
    if (servers.length > 0) this.begin(servers);
    else this.#renew(RENEW_AGAIN);
  }

  /** The connection is lost. The next login brings others. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  /** Asks for others later, if those of now have credentials, which end. @param wait in ms */
  #renew(wait: number): void {
    this.stop();
    if (this.#servers.some(({ credential }) => credential !== undefined)) this.#timer = setTimeout(this.ask, wait);
  }
}
