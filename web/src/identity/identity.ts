import type { Database } from "../conversation/database.js";
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

/**
 * The identity of this browser: a certificate. The browser keeps its private key where no script can read it. Before a certificate
 * expires, another takes its place. The old one vouches for the new one: contacts learn the new fingerprint over connections that the
 * old certificate authenticates (contacts.ts).
 */
export class Identity {
  #passing: RTCCertificate | undefined;

  constructor(
    private readonly database: Promise<Database | undefined>,
    private readonly maker: CertificateMaker = browserCertificates,
    private readonly now: () => number = Date.now,
  ) {}

  /** Returns the identity, and makes one if there is none. Returns undefined if this browser cannot make one. */
  async own(): Promise<OwnIdentity | undefined> {
    try {
      return await this.#kept();
    } catch {
      // The browser keeps nothing, or no certificates. The identity lasts as long as the page.
      try {
        this.#passing ??= await this.maker.make(LIFETIME);
        return { certificate: this.#passing, next: undefined, kept: false };
      } catch {
        return undefined;
      }
    }
  }

  /** Forgets the identity. The next call of `own` makes another one, and nothing vouches for it. */
  async renew(): Promise<void> {
    this.#passing = undefined;
    const database = await this.database;
    await database?.change([
      { store: "identity", delete: "current" },
      { store: "identity", delete: "next" },
    ]);
  }

  async #kept(): Promise<OwnIdentity> {
    const database = await this.database;
    if (database === undefined) throw new Error("nothing is kept");
    // Other tabs may do the same at once. They all use the certificate that is stored first.
    const claim = async (name: string) => {
      const there = await database.get("identity", name);
      return (there ?? (await database.claim("identity", name, await this.maker.make(LIFETIME)))) as RTCCertificate;
    };
    let current = await claim("current");
    if (this.#endsWithin(current, SWITCH_BEFORE)) {
      const next = (await database.get("identity", "next")) as RTCCertificate | undefined;
      current = next !== undefined && !this.#endsWithin(next, SWITCH_BEFORE) ? next : await this.maker.make(LIFETIME);
      await database.change([
        { store: "identity", key: "current", value: current },
        { store: "identity", delete: "next" },
      ]);
    }
    const next = this.#endsWithin(current, ANNOUNCE_BEFORE) ? await this.maker.fingerprint(await claim("next")) : undefined;
    return { certificate: current, next, kept: true };
  }

  #endsWithin(certificate: RTCCertificate, time: number): boolean {
    return certificate.expires - this.now() < time;
  }
}
