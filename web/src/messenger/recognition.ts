import type { Call } from "../call/call.js";
import type { Contacts, Meeting } from "../identity/contacts.js";
import type { Trust } from "../identity/trust.js";
import { type Phrase, phrase } from "../words.js";
import type { LiveConversation } from "./liveconversation.js";

/** How long the device may take to read what it remembers of somebody, in ms. After that the person is told. */
const READ_TIMEOUT = 5_000;

/** The part of an account that recognition needs. */
export interface RecognitionAccount {
  /** The own login as loginKey returns it. */
  readonly key: string;
  readonly conversations: readonly LiveConversation[];
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
 * so that a warning comes first. Where the certificate has changed, or what is remembered cannot be read, nothing goes out until the
 * person has decided.
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
    const meeting = this.host.contacts.meet(this.account.key, conversation.key, fingerprints.peer, lasting);
    let late = false;
    const limit = new Promise<Meeting>((resolve) => {
      const timer = setTimeout(() => {
        late = true;
        resolve({ kind: "unread", damaged: false });
      }, READ_TIMEOUT);
      void meeting.finally(() => clearTimeout(timer));
    });
    this.#met(call, conversation, { fingerprints, lasting }, await Promise.race([meeting, limit]));
    if (late) void meeting.then((found) => this.#metLater(call, conversation, found));
  }

  /** It is known who is at the other end, or that this cannot be known now. */
  #met(call: Call, conversation: LiveConversation, end: Pick<Trust, "fingerprints" | "lasting">, meeting: Meeting): void {
    // The person is warned even if the call is over by now, because what arrived on it is shown after the warning.
    if (this.account.carriedBy(call) === conversation) {
      if (meeting.kind === "changed") this.account.note(conversation, phrase("noteIdentityChanged", call.peer));
      if (meeting.kind === "unread") this.account.note(conversation, phrase("noteUnread", call.peer));
    }
    const accepted = meeting.kind === "new" || meeting.kind === "known";
    const trust: Trust = accepted ? { ...end, kind: "accepted", verified: meeting.kind === "known" && meeting.verified } : { ...end, ...meeting };
    if (!conversation.recognised(call, trust)) return;
    if (accepted) this.host.accepted(call, conversation);
    else this.host.changed();
  }

  /** What is remembered has been read after the person was told that it could not be. */
  #metLater(call: Call, conversation: LiveConversation, meeting: Meeting): void {
    const { trust } = conversation;
    if (conversation.call !== call || trust === undefined || meeting.kind === "unread") return;
    const { fingerprints, lasting } = trust;
    if (trust.kind === "unread") return this.#met(call, conversation, { fingerprints, lasting }, meeting);
    if (trust.kind !== "accepted" || trust.unread !== true || this.host.contacts.unread(this.account.key, conversation.key)) return;
    // The person has gone on without knowing that. Whoever has compared the safety number knows better than the device.
    if (meeting.kind === "changed" && !trust.verified) return call.end("identity-changed");
    const verified = trust.verified || (meeting.kind === "known" && meeting.verified);
    conversation.recognised(call, { kind: "accepted", fingerprints, lasting, verified });
    if (trust.verified) void this.host.contacts.verify(this.account.key, conversation.key, fingerprints.peer, true);
    this.host.changed();
  }

  /**
   * The device can be read again. Finds out who is at the other end of each call where it could not, even if the person has accepted that
   * call.
   */
  async readAgain(): Promise<void> {
    for (const conversation of this.account.conversations) {
      const { call, trust } = conversation;
      if (call === undefined || (trust?.kind !== "unread" && !(trust?.kind === "accepted" && trust.unread === true))) continue;
      this.#metLater(call, conversation, await this.host.contacts.meet(this.account.key, conversation.key, trust.fingerprints.peer, trust.lasting));
    }
  }

  /** The person goes on with somebody whose certificate has changed, or cannot be compared. */
  async goOn(conversation: LiveConversation): Promise<void> {
    const { call, trust } = conversation;
    if (call === undefined || trust === undefined || trust.kind === "accepted") return;
    const { fingerprints, lasting } = trust;
    const unread = trust.kind === "unread" && !trust.damaged;
    conversation.recognised(call, { kind: "accepted", fingerprints, lasting, verified: false, unread });
    const kept = this.host.contacts.accept(this.account.key, conversation.key, fingerprints.peer, unread);
    this.host.accepted(call, conversation);
    await kept;
    this.host.changed();
  }

  /** The person has compared the safety number, or takes that back. */
  async verify(conversation: LiveConversation, verified: boolean): Promise<void> {
    const { trust } = conversation;
    if (trust?.kind !== "accepted" || trust.verified === verified) return;
    trust.verified = verified;
    if (verified) this.account.note(conversation, phrase("noteVerified", conversation.peer));
    this.host.changed();
    await this.host.contacts.verify(this.account.key, conversation.key, trust.fingerprints.peer, verified);
    this.host.changed();
  }

  /** Whether the device keeps what this page knows of the other person. */
  keeps({ key, trust }: LiveConversation): boolean {
    return trust !== undefined && this.host.contacts.keeps(this.account.key, key, trust.fingerprints.peer);
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
