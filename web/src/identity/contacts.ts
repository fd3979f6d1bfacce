import type { Database } from "../conversation/database.js";

/** What is remembered of somebody one has talked to. */
export interface Contact {
  /** Of the certificate that they prove to have. */
  fingerprint: string;
  /** The person has compared the safety number. */
  verified: boolean;
  /** When this fingerprint was first seen. */
  since: Date;
  /** Fingerprint that this one vouches for. */
  next: string | undefined;
}

/** What a fingerprint is for whom one believes to talk to. */
export type Meeting =
  | { kind: "new" }
  | { kind: "known"; verified: boolean }
  /** Somebody else, or the same person with another browser. */
  | { kind: "changed"; wasVerified: boolean };

/**
 * Whom one has talked to, by own and other login: their fingerprints, as first seen. The page always remembers them; the
 * device does where something is kept on it.
 */
export class Contacts {
  readonly #known = new Map<string, Contact | undefined>();
  /** Of whom the device may know what could not be read: nothing is written over that. */
  readonly #unreadable = new Set<string>();

  constructor(
    private readonly database: Promise<Database | undefined>,
    /** Nothing is to be written down now. */
    private readonly offTheRecord: () => boolean,
    /** What is kept cannot be read. */
    private readonly failed: () => void = () => {},
  ) {}

  /**
   * Somebody proves to have a certificate.
   * @param lasting whether the other keeps its certificates: clients of the original protocol have a new one for each call
   */
  async meet(me: string, other: string, fingerprint: string, lasting: boolean): Promise<Meeting> {
    const contact = await this.#find(me, other);
    if (contact === undefined) {
      if (lasting) await this.#put(me, other, { fingerprint, verified: false, since: new Date(), next: undefined });
      return { kind: "new" };
    }
    if (contact.fingerprint === fingerprint) return { kind: "known", verified: contact.verified };
    if (contact.next === fingerprint) {
      await this.#put(me, other, { ...contact, fingerprint, next: undefined });
      return { kind: "known", verified: contact.verified };
    }
    return { kind: "changed", wasVerified: contact.verified };
  }

  /** The person goes on with somebody whose fingerprint has changed. */
  async accept(me: string, other: string, fingerprint: string): Promise<void> {
    await this.#put(me, other, { fingerprint, verified: false, since: new Date(), next: undefined });
  }

  /** The person has compared the safety number, or takes that back. */
  async verify(me: string, other: string, fingerprint: string, verified: boolean): Promise<void> {
    const contact = await this.#find(me, other);
    const { since, next } = contact?.fingerprint === fingerprint ? contact : { since: new Date(), next: undefined };
    await this.#put(me, other, { fingerprint, verified, since, next });
  }

  /** Somebody who proves to have the certificate `fingerprint` vouches for the next one. */
  async vouch(me: string, other: string, fingerprint: string, next: string): Promise<void> {
    const contact = await this.#find(me, other);
    if (contact?.fingerprint === fingerprint && contact.next !== next) await this.#put(me, other, { ...contact, next });
  }

  /** Forgets everybody, in this page. */
  forget(): void {
    this.#known.clear();
    this.#unreadable.clear();
  }

  async #find(me: string, other: string): Promise<Contact | undefined> {
    const name = JSON.stringify([me, other]);
    if (!this.#known.has(name)) {
      let kept: unknown;
      try {
        kept = await (await this.database)?.get("contacts", [me, other]);
      } catch {
        this.#unreadable.add(name);
        this.failed();
      }
      if (!this.#known.has(name)) this.#known.set(name, readContact(kept));
    }
    return this.#known.get(name);
  }

  async #put(me: string, other: string, contact: Contact): Promise<void> {
    this.#known.set(JSON.stringify([me, other]), contact);
    if (this.offTheRecord() || this.#unreadable.has(JSON.stringify([me, other]))) return;
    try {
      await (await this.database)?.change([{ store: "contacts", key: [me, other], value: contact }]);
    } catch {
      // The page remembers it.
    }
  }
}

function readContact(value: unknown): Contact | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { fingerprint, verified, since, next } = value as Record<string, unknown>;
  if (typeof fingerprint !== "string") return undefined;
  return {
    fingerprint,
    verified: verified === true,
    since: since instanceof Date ? since : new Date(0),
    next: typeof next === "string" ? next : undefined,
  };
}
