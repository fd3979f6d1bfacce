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
  | { kind: "changed"; wasVerified: boolean }
  /** What is remembered cannot be read, or is damaged. So it is not known whether they are new. */
  | { kind: "unread"; damaged: boolean };

/** Where a contact is that this page remembers. */
type Place =
  /** The device has it too. */
  | "device"
  /** The device is writing it. */
  | "writing"
  /** The device is to have it, and could not write it yet. */
  | "unwritten"
  /** The device could not read what it has. That is not overwritten. */
  | "unread"
  /** The person wants nothing to be written, or the browser keeps nothing. */
  | "page";

class Unread extends Error {
  constructor(readonly damaged: boolean) {
    super("a contact cannot be read");
  }
}

/**
 * The contacts of this browser, by own and other login. A contact is trusted on first use: its first fingerprint is remembered, and
 * later ones are compared with it. The page always remembers contacts. The device does too, unless nothing is to be written.
 *
 * `me` and `other` are logins as loginKey returns them.
 */
export class Contacts {
  readonly #known = new Map<string, { me: string; other: string; contact: Contact; place: Place }>();
  /** Contacts are written one after the other, so that the last change counts. */
  #writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly database: Promise<Database | undefined>,
    /** Whether the person wants nothing to be written now. */
    private readonly offTheRecord: () => boolean,
  ) {}

  /** Whether the device could not keep what is to be kept. */
  get failing(): boolean {
    return [...this.#known.values()].some(({ place }) => place === "unwritten" || place === "unread");
  }

  /** Whether the device keeps a fingerprint as that of somebody. */
  keeps(me: string, other: string, fingerprint: string): boolean {
    const known = this.#known.get(nameOf(me, other));
    return known?.place === "device" && known.contact.fingerprint === fingerprint;
  }

  /** Whether the person has accepted somebody whom the device may remember, and that could not be read yet. */
  unread(me: string, other: string): boolean {
    return this.#known.get(nameOf(me, other))?.place === "unread";
  }

  /**
   * Compares the fingerprint that somebody has proved to have with what is remembered of them. It does not wait until that is written.
   * @param lasting whether the other browser keeps its certificate. Clients of the original protocol make a new one for each call,
   *   and are not remembered.
   */
  async meet(me: string, other: string, fingerprint: string, lasting: boolean): Promise<Meeting> {
    let contact: Contact | undefined;
    try {
      contact = await this.#find(me, other);
    } catch (error) {
      return { kind: "unread", damaged: error instanceof Unread && error.damaged };
    }
    if (contact === undefined) {
      if (lasting) void this.#put(me, other, { fingerprint, verified: false, since: new Date(), next: undefined });
      return { kind: "new" };
    }
    if (contact.fingerprint === fingerprint) return { kind: "known", verified: contact.verified };
    if (contact.next === fingerprint) {
      void this.#put(me, other, { ...contact, fingerprint, next: undefined });
      return { kind: "known", verified: contact.verified };
    }
    return { kind: "changed", wasVerified: contact.verified };
  }

  /**
   * The person accepts a fingerprint: one that has changed, or one that cannot be compared.
   * @param unread what the device has could not be read, and may be read later
   */
  async accept(me: string, other: string, fingerprint: string, unread = false): Promise<void> {
    await this.#put(me, other, { fingerprint, verified: false, since: new Date(), next: undefined }, unread ? "unread" : undefined);
  }

  /** The person has compared the safety number, or takes that back. */
  async verify(me: string, other: string, fingerprint: string, verified: boolean): Promise<void> {
    const contact = await this.#find(me, other).catch(() => undefined);
    const { since, next } = contact?.fingerprint === fingerprint ? contact : { since: new Date(), next: undefined };
    await this.#put(me, other, { fingerprint, verified, since, next });
  }

  /** Somebody who has proved to have the certificate `fingerprint` announces the next one. */
  async vouch(me: string, other: string, fingerprint: string, next: string): Promise<void> {
    const contact = await this.#find(me, other).catch(() => undefined);
    if (contact?.fingerprint === fingerprint && contact.next !== next) await this.#put(me, other, { ...contact, next });
  }

  /** The device can be read again. It gets what it does not have. */
  async writeAgain(): Promise<void> {
    for (const { me, other, contact, place } of [...this.#known.values()]) {
      if (place === "unwritten") await this.#put(me, other, contact);
      else if (place !== "page") await this.#find(me, other).catch(() => {});
    }
  }

  /** Whether this page remembers somebody now. It does not ask the device. */
  remembers(me: string, other: string): boolean {
    return this.#known.get(nameOf(me, other)) !== undefined;
  }

  /** Asks the device for somebody whom this page does not remember yet. Resolves with whether it remembers them afterwards. */
  async recall(me: string, other: string): Promise<boolean> {
    return (await this.#find(me, other).catch(() => undefined)) !== undefined;
  }

  /** Forgets all contacts in this page. */
  forget(): void {
    this.#known.clear();
  }

  /** Returns what is remembered of somebody. @throws {Unread} if that cannot be read */
  async #find(me: string, other: string): Promise<Contact | undefined> {
    const name = nameOf(me, other);
    const before = this.#known.get(name);
    if (before?.place === "unwritten") void this.#put(me, other, before.contact); // There may be room now.
    if (before?.place === "writing" || before?.place === "unwritten" || before?.place === "page") return before.contact;
    let kept: unknown;
    let database: Database | undefined;
    try {
      database = await this.database;
      kept = await database?.get("contacts", [me, other]);
    } catch {
      const here = this.#known.get(name);
      if (here !== undefined) return here.contact;
      throw new Unread(false);
    }
    const here = this.#known.get(name);
    if (here !== before && here?.place !== "unread") return here?.contact; // It has changed here meanwhile.
    const contact = readContact(kept);
    if (contact !== undefined) {
      this.#known.set(name, { me, other, contact, place: "device" });
      return contact;
    }
    if (here === undefined) {
      if (kept !== undefined) throw new Unread(true);
      return undefined;
    }
    // The device has lost it.
    if (database !== undefined) void this.#put(me, other, here.contact, "unwritten");
    return here.contact;
  }

  /** @param place where the contact stays if not on the device */
  async #put(me: string, other: string, contact: Contact, place?: "unwritten" | "unread"): Promise<void> {
    const name = nameOf(me, other);
    const before = this.#known.get(name)?.place;
    const unread = (place ?? before) === "unread";
    const writing = (place ?? before) === "unwritten" ? "unwritten" : "writing"; // Only a write that has failed is worth telling.
    const entry = { me, other, contact, place: unread ? "unread" : this.offTheRecord() ? "page" : writing } as const;
    this.#known.set(name, entry);
    if (entry.place === "unread" || entry.place === "page") return;
    this.#writing = this.#writing.then(async () => {
      // A later change has taken its place, or everything has been forgotten.
      const superseded = () => this.#known.get(name) !== entry;
      if (superseded()) return;
      try {
        const database = await this.database;
        await database?.change([{ store: "contacts", key: [me, other], value: contact }]);
        if (!superseded()) this.#known.set(name, { ...entry, place: database === undefined ? "page" : "device" });
      } catch {
        // The page still remembers the contact.
        if (!superseded()) this.#known.set(name, { ...entry, place: "unwritten" });
      }
    });
    await this.#writing;
  }
}

function nameOf(me: string, other: string): string {
  return JSON.stringify([me, other]);
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
