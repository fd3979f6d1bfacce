import type { Database } from "../conversation/database.js";
import { fingerprintOf } from "./fingerprints.js";

const DAY = 86_400_000;
/** How long a certificate is good for, in ms; browsers allow a year at most (W3C, WebRTC, section 4.9). */
const LIFETIME = 365 * DAY;
/** So long before its end the next one is made and made known, in ms … */
const ANNOUNCE_BEFORE = 60 * DAY;
/** … and so long before it takes over. */
const SWITCH_BEFORE = 14 * DAY;

/** What makes certificates: the browser, or a test. */
export interface CertificateMaker {
  /** @param expires how long it is to be good for, in ms */
  make(expires: number): Promise<RTCCertificate>;
  fingerprint(certificate: RTCCertificate): Promise<string | undefined>;
}

/** Makes certificates as browsers do. */
const browserCertificates: CertificateMaker = {
  make: (expires) => RTCPeerConnection.generateCertificate({ name: "ECDSA", namedCurve: "P-256", expires } as AlgorithmIdentifier),
  fingerprint: async (certificate) => {
    // Firefox has no getFingerprints; an offer says it everywhere.
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
  /** Fingerprint of the certificate that will take its place; undefined: that is far off. */
  next: string | undefined;
  /** Whether it is kept, and will be the same at the next visit. */
  kept: boolean;
}

/**
 * The identity of this browser: a certificate that the browser keeps, with its key, where no script can read it. Before
 * it ends it is followed by another, which it vouches for: contacts are told of the next one's fingerprint over connections that
 * the present one authenticates (contacts.ts).
 */
export class Identity {
  #passing: RTCCertificate | undefined;

  constructor(
    private readonly database: Promise<Database | undefined>,
    private readonly maker: CertificateMaker = browserCertificates,
    private readonly now: () => number = Date.now,
  ) {}

  /** The identity as it is now, made if there is none. undefined: this browser can make none. */
  async own(): Promise<OwnIdentity | undefined> {
    try {
      return await this.#kept();
    } catch {
      // The browser keeps nothing, or no certificates.
      try {
        this.#passing ??= await this.maker.make(LIFETIME);
        return { certificate: this.#passing, next: undefined, kept: false };
      } catch {
        return undefined;
      }
    }
  }

  /** Starts afresh: the next own is another one, and nothing vouches for it. */
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
    // Other tabs may do the same: whose certificate is there first is everybody's.
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
