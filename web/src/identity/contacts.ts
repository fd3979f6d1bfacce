import type { Database } from "../conversation/database.js";

/** What is remembered of somebody whom the person has been connected to. */
export interface Contact {
  /** Fingerprint of their certificate. */
  fingerprint: string;
  /** The person has compared the safety number. */
  verified: boolean;
  /** When they were first seen with a certificate that no other vouched for. */
  since: Date;
  /** Fingerprint of the certificate that they announced as the next one. */
  next: string | undefined;
}

/** What a fingerprint says about somebody, compared with what is remembered of them. */
export type Meeting =
  | { kind: "new" }
  | { kind: "known"; verified: boolean }
  /** It may be somebody else, or the same person with another browser. */
  | { kind: "changed"; wasVerified: boolean };

/**
 * The contacts of this browser, by own and other login. A contact is trusted on first use: its first fingerprint is remembered, and
 * later ones are compared with it. The page always remembers contacts. The device does too, unless nothing is to be written.
 *
 * `me` and `other` are logins as loginKey returns them.
 */
export class Contacts {
  readonly #known = new Map<string, Contact | undefined>();
  /** Contacts that the device could not read. They are not overwritten there. */
  readonly #unreadable = new Set<string>();

  constructor(
    private readonly database: Promise<Database | undefined>,
    /** Whether the person wants nothing to be written now. */
    private readonly offTheRecord: () => boolean,
    /** The device cannot read a contact. */
    private readonly failed: () => void = () => {},
  ) {}

  /**
   * Compares the fingerprint that somebody has proved to have with what is remembered of them.
   * @param lasting whether the other browser keeps its certificate. Clients of the original protocol make a new one for each call,
   *   and are not remembered.
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

  /** The person accepts the changed fingerprint of a contact. */
  async accept(me: string, other: string, fingerprint: string): Promise<void> {
    await this.#put(me, other, { fingerprint, verified: false, since: new Date(), next: undefined });
  }

  /** The person has compared the safety number, or takes that back. */
  async verify(me: string, other: string, fingerprint: string, verified: boolean): Promise<void> {
    const contact = await this.#find(me, other);
    const { since, next } = contact?.fingerprint === fingerprint ? contact : { since: new Date(), next: undefined };
    await this.#put(me, other, { fingerprint, verified, since, next });
  }

  /** Somebody who has proved to have the certificate `fingerprint` announces the next one. */
  async vouch(me: string, other: string, fingerprint: string, next: string): Promise<void> {
    const contact = await this.#find(me, other);
    if (contact?.fingerprint === fingerprint && contact.next !== next) await this.#put(me, other, { ...contact, next });
  }

  /** Whether this page remembers somebody now. It does not ask the device. */
  remembers(me: string, other: string): boolean {
    return this.#known.get(JSON.stringify([me, other])) !== undefined;
  }

  /** Forgets all contacts in this page. */
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
      // The page still remembers the contact.
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
