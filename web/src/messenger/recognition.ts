import type { Call } from "../call/call.js";
import type { Contacts } from "../identity/contacts.js";
import type { Trust } from "../identity/trust.js";
import { type Phrase, phrase } from "../words.js";
import type { LiveConversation } from "./liveconversation.js";

/** The part of an account that recognition needs. */
export interface RecognitionAccount {
  /** The own login as loginKey returns it. */
  readonly key: string;
  carriedBy(call: Call): LiveConversation | undefined;
  note(conversation: LiveConversation, said: Phrase): void;
}

/** What recognition needs of the page. */
export interface RecognitionHost {
  readonly contacts: Contacts;
  /** The other end is accepted: what the person sends may go out on this call. */
  accepted(call: Call, conversation: LiveConversation): void;
  /** Something has changed: look again. */
  changed(): void;
}

/**
 * Finds out who is at the other end of each call that opens, by its certificate. Until that is known, what arrives on the call waits,
 * so that a warning comes first. Where the certificate has changed, nothing goes out until the person has decided.
 */
export class Recognition {
  /** What has arrived on calls whose other end is not known yet. */
  readonly #waiting = new Map<Call, ((conversation: LiveConversation) => void)[]>();

  constructor(
    private readonly account: RecognitionAccount,
    private readonly host: RecognitionHost,
  ) {}

  /** A call has opened. */
  async opened(call: Call, conversation: LiveConversation): Promise<void> {
    const waiting: ((conversation: LiveConversation) => void)[] = [];
    this.#waiting.set(call, waiting);
    try {
      await this.#recognise(call, conversation);
    } finally {
      this.#waiting.delete(call);
      for (const act of waiting) this.once(call, act);
    }
  }

  /** Runs `act` once it is known who is at the other end of the call. Nothing runs if the conversation has been deleted. */
  once(call: Call, act: (conversation: LiveConversation) => void): void {
    const waiting = this.#waiting.get(call);
    if (waiting !== undefined) {
      waiting.push(act);
      return;
    }
    const conversation = this.account.carriedBy(call);
    if (conversation !== undefined) act(conversation);
  }

  async #recognise(call: Call, conversation: LiveConversation): Promise<void> {
    const { fingerprints } = call;
    // A connection cannot open without them.
    if (fingerprints === undefined) return call.end("garbled");
    if (await call.showsAnother()) return call.end("other-certificate");
    const lasting = !call.bare;
    const meeting = await this.host.contacts.meet(this.account.key, conversation.key, fingerprints.peer, lasting);
    const changed = meeting.kind === "changed";
    // The person is warned even if the call is over by now, because what arrived on it is shown after the warning.
    if (changed && this.account.carriedBy(call) === conversation) this.account.note(conversation, phrase("noteIdentityChanged", call.peer));
    const trust: Trust = changed
      ? { kind: "changed", fingerprints, lasting, wasVerified: meeting.wasVerified }
      : { kind: "accepted", fingerprints, lasting, verified: meeting.kind === "known" && meeting.verified };
    if (!conversation.recognised(call, trust)) return;
    if (changed) this.host.changed();
    else this.host.accepted(call, conversation);
  }

  /** The person goes on with somebody whose certificate has changed. */
  async goOn(conversation: LiveConversation): Promise<void> {
    const { call, trust } = conversation;
    if (call === undefined || trust?.kind !== "changed") return;
    const { fingerprints, lasting } = trust;
    conversation.recognised(call, { kind: "accepted", fingerprints, lasting, verified: false });
    await this.host.contacts.accept(this.account.key, conversation.key, fingerprints.peer);
    this.host.accepted(call, conversation);
  }

  /** The person has compared the safety number, or takes that back. */
  async verify(conversation: LiveConversation, verified: boolean): Promise<void> {
    const { trust } = conversation;
    if (trust?.kind !== "accepted" || trust.verified === verified) return;
    trust.verified = verified;
    if (verified) this.account.note(conversation, phrase("noteVerified", conversation.peer));
    this.host.changed();
    await this.host.contacts.verify(this.account.key, conversation.key, trust.fingerprints.peer, verified);
  }

  /** The other page has announced the fingerprint of its next certificate. */
  announced(call: Call, fingerprint: string): void {
    this.once(call, ({ key, trust, call: current }) => {
      // Only a certificate that is accepted can vouch for the next one, and only on the call where it was announced.
      if (current !== call || trust?.kind !== "accepted") return;
      void this.host.contacts.vouch(this.account.key, key, trust.fingerprints.peer, fingerprint);
    });
  }
}
