import type { Call } from "../call/call.js";
import { Calls, type CallsListener, type Request } from "../call/calls.js";
import type { CallEnd } from "../call/ends.js";
import type { Letter } from "../conversation/correspondence.js";
import type { Contacts } from "../identity/contacts.js";
import type { OwnIdentity } from "../identity/identity.js";
import type { Settings } from "../settings.js";
import type { PeerFrame, ServiceError } from "../signaling/frames.js";
import { MAX_LOGIN_LENGTH, loginKey } from "../signaling/logins.js";
import type { ServiceConnection } from "../signaling/service.js";
import { type Phrase, phrase } from "../words.js";
import type { Account } from "./account.js";
import type { LiveConversation } from "./liveconversation.js";
import { noticeOf } from "./notices.js";
import { Recognition } from "./recognition.js";
import { Recovery } from "./recovery.js";

/** How many calls there may be at once before the person can start no more. */
const MAX_CALLS = 64;

/** What a switchboard works with. */
export interface SwitchboardOptions {
  /** The own login as it is shown. */
  login: string;
  account: Account;
  settings: Settings;
  contacts: Contacts;
  service: Pick<ServiceConnection, "ready" | "relayed" | "iceServers" | "send">;
  /** This browser's identity. It is undefined if the browser cannot make one. */
  identity: () => OwnIdentity | undefined;
  /** Whether the device has said that it has no network. */
  networkAway: () => boolean;
  /** Something has arrived that the person does not see. */
  arrived: (conversation: LiveConversation) => void;
  /** Tells the person something now; undefined: nothing any more. */
  alert: (said: Phrase | undefined) => void;
  /** Something has changed: look again. */
  changed: () => void;
}

/**
 * Connects calls with the conversations of the account: each call belongs to one conversation, and what it brings goes there. It lives
 * from Join to Sign out.
 */
export class Switchboard implements CallsListener {
  readonly #calls: Calls;
  readonly #recognition: Recognition;
  readonly #recovery: Recovery;

  constructor(private readonly options: SwitchboardOptions) {
    const { account, changed, contacts, login, networkAway, service } = options;
    const canSignal = () => service.ready && !networkAway();
    const calls = new Calls({
      me: login,
      configuration: () => this.#configuration(),
      send: (frame) => service.send(frame),
      canSignal,
      correspondence: (peer) => account.with(peer).correspondence,
      policy: (peer) => this.#policy(peer),
      listener: this,
    });
    this.#calls = calls;
    this.#recognition = new Recognition(account, { contacts, changed, accepted: (call, conversation) => this.#accepted(call, conversation) });
    this.#recovery = new Recovery({
      conversations: () => account.conversations,
      serviceReady: () => service.ready,
      call: ({ peer }) => {
        if (calls.with(peer) !== undefined || !canSignal()) return;
        this.#attach(calls.call(peer));
        changed();
      },
      changed,
    });
  }

  /** Who waits to be accepted, oldest first. */
  get requests(): readonly Request[] {
    return this.#calls.requests;
  }

  /** Takes a frame of another client. */
  receive(frame: PeerFrame): void {
    this.#calls.receive(frame);
  }

  /** The service could not do what a frame asked for. Returns whether that was about a call. */
  serviceError(error: ServiceError): boolean {
    return this.#calls.serviceError(error);
  }

  /** The service is ready again. */
  serviceReady(): void {
    this.#calls.serviceReady();
    this.#recovery.serviceReady();
  }

  /** The service cannot be reached, or the device has no network. */
  networkAway(): void {
    this.#recovery.networkAway();
  }

  /** The device's network has changed. */
  networkChanged(): void {
    this.#calls.networkChanged();
  }

  /**
   * Calls somebody and brings the conversation to the front. If there is a call with them already it stays: they called first, or the
   * button was pressed twice.
   */
  connect(typed: string): void {
    const { account, alert, changed, login, service, settings } = this.options;
    const { blocked, relayOnly } = settings.choices;
    const peer = typed.trim();
    const key = loginKey(peer);
    if (peer.length > MAX_LOGIN_LENGTH) return alert(phrase("loginTooLong"));
    if (peer === "") {
      if (account.front?.call === undefined) alert(phrase("typePeer"));
      return;
    }
    if (key === loginKey(login)) return alert(phrase("thatIsYou"));
    if (this.#calls.with(peer) !== undefined) {
      account.show(account.with(peer));
      changed();
      return;
    }
    if (blocked.includes(key)) return alert(phrase("blockedPeer", peer));
    if (!service.ready) return alert(phrase("unreachable"));
    if (relayOnly && !service.relayed) return alert(phrase("noRelay"));
    if (this.#calls.all.length >= MAX_CALLS) return alert(phrase("tooManyConversations"));
    alert(undefined);
    const conversation = this.#attach(this.#calls.call(peer));
    conversation.peer = peer;
    account.showCalled(conversation);
    changed();
  }

  /** Accepts somebody who waits. */
  accept(request: Request): void {
    const call = this.#calls.accept(request);
    if (call !== undefined) this.options.account.show(this.#attach(call));
    this.options.changed();
  }

  /** Declines somebody who waits. */
  decline(request: Request): void {
    const { account } = this.options;
    this.#calls.decline(request);
    account.note(account.with(request.peer), phrase("noteDeclined", request.peer));
  }

  /** Ends the call of a conversation, or stops restoring it. */
  hangUp(conversation: LiveConversation): void {
    const { call, peer } = conversation;
    const wasRestoring = this.#recovery.stop(conversation);
    if (call !== undefined) call.end("hung-up");
    else if (wasRestoring) this.options.account.note(conversation, phrase("noteHungUp", peer));
  }

  /** Ends everything with a login that is blocked now. */
  blocked(peer: string): void {
    const { account } = this.options;
    for (const request of this.requests) if (loginKey(request.peer) === loginKey(peer)) this.#calls.decline(request);
    const conversation = account.find(peer);
    if (conversation === undefined) return;
    this.hangUp(conversation);
    account.note(conversation, phrase("noteBlocked", peer));
  }

  /** The person goes on with somebody whose identity has changed. */
  goOn(conversation: LiveConversation): Promise<void> {
    return this.#recognition.goOn(conversation);
  }

  /** The person has compared the safety number, or takes that back. */
  verify(conversation: LiveConversation, verified: boolean): Promise<void> {
    return this.#recognition.verify(conversation, verified);
  }

  /** Ends every call. Lost calls are still restored. */
  endCalls(): void {
    this.#calls.end();
  }

  /** Ends every call and restores none. */
  end(): void {
    this.#recovery.stopAll();
    this.#calls.end();
  }

  began(call: Call): void {
    const { account } = this.options;
    const conversation = this.#attach(call);
    // Whoever looks at a conversation that is off, or at none, sees the one that begins.
    const { front } = account;
    if (front === undefined || (front.phase === "off" && front.draft === "")) account.show(conversation);
  }

  requested({ peer }: Request): void {
    this.options.arrived(this.options.account.with(peer));
    this.options.changed();
  }

  settled({ peer }: Request): void {
    const { account, changed } = this.options;
    const conversation = account.find(peer);
    if (conversation === undefined) return;
    // Otherwise somebody could fill the list by calling and giving up, each time under another login.
    account.dropIfEmpty(conversation);
    changed();
  }

  refused(): void {
    this.options.alert(phrase("noRelay"));
  }

  opened(call: Call): void {
    const { account, alert } = this.options;
    const conversation = account.carriedBy(call);
    if (conversation === undefined) return call.end("hung-up");
    const restored = this.#recovery.opened(conversation);
    conversation.peer = call.peer;
    alert(undefined);
    account.note(conversation, phrase(restored ? "noteReconnected" : "noteConnected", call.peer));
    void this.#recognition.opened(call, conversation);
  }

  received(call: Call, text: string): void {
    this.#recognition.once(call, (conversation) => this.options.account.arrived(conversation, { kind: "received", author: call.peer, text }));
  }

  delivered(call: Call, letters: readonly Letter[]): void {
    this.#carriedBy(call, (conversation) => this.options.account.delivered(conversation, letters, "delivered"));
  }

  sent(call: Call, letters: readonly Letter[]): void {
    this.#carriedBy(call, (conversation) => this.options.account.delivered(conversation, letters, "sent"));
  }

  read(call: Call, id: number): void {
    this.#carriedBy(call, (conversation) => this.options.account.read(conversation, id));
  }

  typing(call: Call, typing: boolean): void {
    this.#recognition.once(call, (conversation) => conversation.peerTypes(typing));
  }

  next(call: Call, fingerprint: string): void {
    this.#recognition.announced(call, fingerprint);
  }

  reconnectingChanged(call: Call): void {
    this.#carriedBy(call, (conversation) => {
      if (!call.reconnecting) this.options.account.seen(conversation);
    });
    this.options.changed();
  }

  ended(call: Call, end: CallEnd): void {
    this.#carriedBy(call, (conversation) => this.#ended(conversation, call, end));
  }

  #ended(conversation: LiveConversation, call: Call, end: CallEnd): void {
    const { account, alert, changed } = this.options;
    conversation.ended(call);
    if (call.wasOpen) alert(undefined);
    if (end === "hung-up" || end === "declined") this.#recovery.stop(conversation);
    // A call of theirs that takes the place of an attempt to restore one restores it too.
    else if (end !== "superseded" && !call.wasOpen && this.#recovery.failed(conversation)) return changed();
    if (end === "lost") this.#recovery.lost(conversation, call.restoresHere);
    const notice = noticeOf(end, call);
    if (notice === undefined) return changed();
    if ("note" in notice) account.note(conversation, phrase(notice.note, call.peer));
    else {
      alert(phrase(notice.alert, call.peer));
      account.dropIfEmpty(conversation);
    }
  }

  /** What the person sends may go out on this call. */
  #accepted(call: Call, conversation: LiveConversation): void {
    const { account, changed, identity } = this.options;
    call.admit();
    if (!call.bare) call.carry(account.transfers(conversation));
    const next = identity()?.next;
    if (next !== undefined) call.announce(next);
    account.seen(conversation);
    if (account.front === conversation && conversation.draft.trim() !== "") call.typing(true);
    changed();
  }

  #attach(call: Call): LiveConversation {
    const conversation = this.options.account.with(call.peer);
    conversation.begin(call);
    return conversation;
  }

  /** Does something with the conversation of a call, unless that has been deleted. */
  #carriedBy(call: Call, act: (conversation: LiveConversation) => void): void {
    const conversation = this.options.account.carriedBy(call);
    if (conversation !== undefined) act(conversation);
  }

  /** What is done with an offer of somebody. */
  #policy(peer: string): "take" | "ask" | "decline" | "ignore" {
    const { account, service, settings } = this.options;
    const { askFirst, blocked, relayOnly } = settings.choices;
    if (blocked.includes(loginKey(peer))) return "ignore";
    if (relayOnly && !service.relayed) return "decline"; // It could not connect.
    // The person has accepted somebody whose open or lost call it continues.
    const known = this.#calls.with(peer)?.wasOpen === true || account.find(peer)?.restoring === true;
    return askFirst && !known ? "ask" : "take";
  }

  #configuration(): RTCConfiguration {
    const { identity, service, settings } = this.options;
    const certificate = identity()?.certificate;
    return {
      ...(certificate === undefined ? {} : { certificates: [certificate] }),
      iceServers: service.iceServers,
      iceTransportPolicy: settings.choices.relayOnly ? "relay" : "all",
    };
  }
}
