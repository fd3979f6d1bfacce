import type { Database } from "../conversation/database.js";
import { DatabaseGivenUp } from "../conversation/reopening.js";
import { fingerprintOf } from "./fingerprints.js";

const DAY = 86_400_000;
/** How long a certificate is valid, in ms. Browsers allow a year at most (W3C, WebRTC, section 4.9). */
const LIFETIME = 365 * DAY;
/** How long before the end of a certificate the next one is made and announced, in ms. */
const ANNOUNCE_BEFORE = 60 * DAY;
/** How long before the end of a certificate the next one takes its place, in ms. */
const SWITCH_BEFORE = 14 * DAY;

/** Makes certificates. A test has its own. */
export interface CertificateMaker {
  /** @param expires how long the certificate is valid, in ms */
  make(expires: number): Promise<RTCCertificate>;
  fingerprint(certificate: RTCCertificate): Promise<string | undefined>;
}

/** Makes certificates as browsers do. */
const browserCertificates: CertificateMaker = {
  make: (expires) => RTCPeerConnection.generateCertificate({ name: "ECDSA", namedCurve: "P-256", expires } as AlgorithmIdentifier),
  fingerprint: async (certificate) => {
    // Firefox has no getFingerprints. An offer has the fingerprint in every browser.
    const connection = new RTCPeerConnection({ certificates: [certificate] });
    try {
      connection.createDataChannel("");
      return fingerprintOf((await connection.createOffer()).sdp);
    } finally {
      connection.close();
    }
  },
};

/** What others know this browser by. */
export interface OwnIdentity {
  certificate: RTCCertificate;
  /** Fingerprint of the certificate that will take its place. It is undefined as long as that is far off. */
  next: string | undefined;
  /** Whether the device keeps it, so that it is the same at the next visit. */
  kept: boolean;
}

/** How long the page waits before it reads the identity again after a failure, in ms: at first, and at most. */
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 8_000;

/**
 * The identity of this browser: a certificate. The browser keeps its private key where no script can read it. Before a certificate
 * expires, another takes its place. The old one vouches for the new one: contacts learn the new fingerprint over connections that the
 * old certificate authenticates (contacts.ts).
 */
export class Identity {
  /** The identity that this page has had last. */
  #latest: OwnIdentity | undefined;

  constructor(
    private readonly database: Promise<Database | undefined>,
    private readonly maker: CertificateMaker = browserCertificates,
    private readonly now: () => number = Date.now,
  ) {}

  /**
   * Returns the identity, and makes one if there is none. If the device cannot be read, this takes until it can, or until the person
   * gives that up: an identity that is there is not replaced. Returns undefined if this browser cannot make one.
   */
  async own(): Promise<OwnIdentity | undefined> {
    for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      try {
        this.#latest = await this.#read();
        return this.#latest;
      } catch (error) {
        if (this.#latest !== undefined) return this.#latest;
        if (error instanceof DatabaseGivenUp) return (this.#latest = await this.#passing());
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
  }

  /** Forgets the identity. The next call of `own` makes another one, and nothing vouches for it. @throws {DOMException} if it stays */
  async renew(): Promise<void> {
    const database = await this.database;
    try {
      await database?.change([
        { store: "identity", delete: "current" },
        { store: "identity", delete: "next" },
      ]);
    } catch (error) {
      if (!(error instanceof DatabaseGivenUp)) throw error;
    }
    this.#latest = undefined;
  }

  /** The device can be read again. If it has no identity, it gets the one that this page has. Returns what it has then. */
  async writeAgain(): Promise<OwnIdentity | undefined> {
    if (this.#latest === undefined) return undefined;
    const { certificate } = this.#latest;
    try {
      const there = await (await this.database)?.claim("identity", "current", certificate);
      // Another tab may have made another one. This page has shown its own to others already.
      const kept = there !== undefined && (await this.maker.fingerprint(there as RTCCertificate)) === (await this.maker.fingerprint(certificate));
      this.#latest = { ...this.#latest, kept };
    } catch {
      this.#latest = { ...this.#latest, kept: false };
    }
    return this.#latest;
  }

  /** @throws {DOMException | DatabaseGivenUp} if the device cannot be read */
  async #read(): Promise<OwnIdentity | undefined> {
    const database = await this.database;
    const there = await database?.get("identity", "current");
    const kept = isCertificate(there) ? await this.#following(database!, there) : await this.#first(database, there !== undefined);
    // The browser keeps nothing, or no certificates, or has no room.
    if (kept === undefined) return this.#latest === undefined ? this.#passing() : { ...this.#latest, kept: false };
    const next = this.#endsWithin(kept.certificate, ANNOUNCE_BEFORE) ? await this.#next(database!) : undefined;
    return { ...kept, next };
  }

  /**
   * The device has no identity: makes one. Returns undefined if the browser cannot keep it.
   * @param damaged what it has instead is none
   */
  async #first(database: Database | undefined, damaged: boolean): Promise<Omit<OwnIdentity, "next"> | undefined> {
    try {
      if (damaged) await database?.change([{ store: "identity", delete: "current" }]);
      // Other tabs may do the same at once. They all use the certificate that is stored first.
      const certificate = (await database?.claim("identity", "current", await this.maker.make(LIFETIME))) as RTCCertificate | undefined;
      return certificate && { certificate, kept: true };
    } catch {
      return undefined;
    }
  }

  /** Returns the certificate, or the one that takes its place because it ends soon. */
  async #following(database: Database, current: RTCCertificate): Promise<Omit<OwnIdentity, "next">> {
    if (!this.#endsWithin(current, SWITCH_BEFORE)) return { certificate: current, kept: true };
    const next = await database.get("identity", "next");
    const announced = isCertificate(next) && !this.#endsWithin(next, SWITCH_BEFORE);
    const following = announced ? next : await this.maker.make(LIFETIME);
    try {
      await database.change([
        { store: "identity", key: "current", value: following },
        { store: "identity", delete: "next" },
      ]);
      return { certificate: following, kept: true };
    } catch {
      // The one that ends soon serves until then.
      return this.#endsWithin(current, 0) ? { certificate: following, kept: announced } : { certificate: current, kept: true };
    }
  }

  /** Returns the fingerprint of the certificate that follows. Returns undefined if the browser cannot keep it now. */
  async #next(database: Database): Promise<string | undefined> {
    try {
      const there = await database.get("identity", "next");
      const next = there ?? (await database.claim("identity", "next", await this.maker.make(LIFETIME)));
      return await this.maker.fingerprint(next as RTCCertificate);
    } catch {
      return undefined;
    }
  }

  /** An identity that lasts as long as the page. */
  async #passing(): Promise<OwnIdentity | undefined> {
    try {
      return { certificate: await this.maker.make(LIFETIME), next: undefined, kept: false };
    } catch {
      return undefined;
    }
  }

  #endsWithin(certificate: RTCCertificate, time: number): boolean {
    return certificate.expires - this.now() < time;
  }
}

/** Whether a value is a certificate, and not something damaged. */
function isCertificate(value: unknown): value is RTCCertificate {
  return typeof (value as RTCCertificate | null | undefined)?.expires === "number";
}
