import type { Call } from "../call/call.js";
import { MAX_CALLS } from "../call/calllimits.js";
import { Calls, type CallsListener, type Request } from "../call/calls.js";
import { type CallEnd, FINAL } from "../call/ends.js";
import type { Letter } from "../conversation/correspondence.js";
import type { Contacts } from "../identity/contacts.js";
import { fingerprintOf } from "../identity/fingerprints.js";
import type { OwnIdentity } from "../identity/identity.js";
import type { Settings } from "../settings.js";
import { MAX_LOGIN_LENGTH, loginKey } from "../signaling/logins.js";
import type { ServiceConnection } from "../signaling/service.js";
import { type Phrase, phrase } from "../words.js";
import type { Account } from "./account.js";
import type { LiveConversation } from "./liveconversation.js";
import { noConnection, noticeOf } from "./notices.js";
import type { OpenConversation } from "./openconversations.js";
import { Recognition } from "./recognition.js";
import { LOST_BY, Recovery } from "./recovery.js";

/** How long an open call may take to find a relay and change over to it, in ms. */
const CHANGE_OVER_WITHIN = 5_000;
/** How long a call waits for what the device knows of the texts that have not arrived, in ms. */
const CATCH_UP_WITHIN = 5_000;

/** What a switchboard needs of the page. */
export interface SwitchboardHost {
  readonly settings: Settings;
  readonly contacts: Contacts;
  readonly service: Pick<ServiceConnection, "ready" | "window" | "doubted" | "hurry" | "iceServers" | "send">;
  /** This browser's identity. It is undefined if the browser cannot make one. */
  ownIdentity(): OwnIdentity | undefined;
  /** Says why nobody can be called while the service is not ready. */
  whyNotReady(): Phrase;
  /** Something has arrived that the person does not see. */
  arrived(conversation: LiveConversation): void;
  /** Tells the person something now, or clears what was said. */
  alert(said: Phrase | undefined): void;
  /** Something has changed: look again. */
  changed(): void;
}

/**
 * Connects calls with the conversations of the account: each call belongs to one conversation, and what it brings goes there. It lives
 * from Join to Sign out.
 */
export class Switchboard implements CallsListener {
  readonly calls: Calls;
  readonly recognition: Recognition;
  readonly recovery: Recovery;
  /** "Relay only", as the calls follow it. */
  #relayOnly: boolean;
  #changeOverTimer: ReturnType<typeof setTimeout> | undefined;

  /** @param login the own login as it is shown */
  constructor(
    private readonly login: string,
    private readonly account: Account,
    private readonly host: SwitchboardHost,
  ) {
    const { contacts, service, settings } = host;
    this.#relayOnly = settings.choices.relayOnly;
    const changed = () => host.changed();
    this.calls = new Calls({
      me: login,
      configuration: () => this.#configuration(),
      send: (frame) => service.send(frame),
      canSignal: () => service.ready,
      keeps: () => service.window > 0,
      doubted: () => service.doubted,
      hurry: () => service.hurry(),
      correspondence: (peer) => account.with(peer).correspondence,
      policy: (peer, sdp) => this.#policy(peer, sdp),
      known: (peer) => account.find(peer)?.known === true || contacts.remembers(account.key, loginKey(peer)),
      recall: (peer) => contacts.recall(account.key, loginKey(peer)),
      listener: this,
    });
    this.recognition = new Recognition(account, { contacts, changed, accepted: (call, conversation) => void this.#accepted(call, conversation) });
    this.recovery = new Recovery({
      conversations: () => account.conversations,
      canSignal: () => service.ready && !service.doubted,
      call: ({ peer, loss }) => {
        // Whoever waits for the person may be somebody else. They are not called, because that would accept them.
        if (this.calls.with(peer) !== undefined || this.calls.requests.some((request) => loginKey(request.peer) === loginKey(peer))) return;
        this.#attach(this.calls.call(peer, loss?.call));
        changed();
      },
      window: () => service.window,
      gaveUp: (conversation, loss) => {
        account.note(conversation, phrase(loss.closed ? "noteLeft" : loss.gone ? "noteLost" : "noteNotRestored", conversation.peer));
      },
    });
  }

  /** The service is ready again, on another connection. @param kept what was sent on the one before has arrived, or will */
  serviceReady(kept: boolean): void {
    this.calls.serviceReady(kept);
    if (!kept) this.recovery.withoutService();
    this.recovery.resume();
  }

  /** The service has given a sign of life after a doubt. */
  serviceAnswered(): void {
    this.recovery.resume();
  }

  /** These logins are at the service again. */
  back(logins: readonly string[]): void {
    for (const login of logins) {
      this.calls.with(login)?.missed();
      const conversation = this.account.find(login);
      if (conversation !== undefined) this.recovery.resume(conversation);
    }
  }

  /** The settings have changed: open calls follow "Relay only". Calls that are being set up do so when they open. */
  settingsChanged(): void {
    // Off the record, files have less room.
    for (const { transfers } of this.account.conversations) transfers?.roomChanged();
    const { relayOnly } = this.host.settings.choices;
    if (relayOnly === this.#relayOnly) return;
    this.#relayOnly = relayOnly;
    this.#changeOver(this.calls.all);
  }

  /** Restarts the open ones of these calls that do not follow "Relay only". */
  #changeOver(calls: readonly Call[]): void {
    const { relayed } = this.host.service.iceServers;
    const relayOnly = this.#relayOnly;
    const others = calls.filter((call) => call.phase === "open" && call.relayOnly !== relayOnly);
    if (others.length === 0) return;
    // A restart without a relay would find no route, and lose the call.
    if (relayed || !relayOnly) for (const call of others) call.restart();
    clearTimeout(this.#changeOverTimer);
    if (relayOnly) this.#changeOverTimer = setTimeout(() => void this.#leaveDirect(), relayed ? CHANGE_OVER_WITHIN : 0);
  }

  /**
   * Chromium keeps a direct route through a restart, because it prefers that to a relay. Calls that still have one give way to others if this end
   * has found a relay. If it has not they go on, because the other side knows the addresses already, and the person is told.
   */
  async #leaveDirect(): Promise<void> {
    const ways = await Promise.all(this.calls.all.map(async (call) => ({ call, figures: await call.figures().catch(() => undefined) })));
    if (!this.#relayOnly) return;
    const direct = ways.filter(({ call, figures }) => call.phase === "open" && figures?.ownCandidate !== "relay");
    const can = ({ call, figures }: (typeof direct)[number]) => this.host.service.iceServers.relayed && figures?.relayFound === true && !call.bare;
    for (const way of direct) if (can(way)) way.call.end("rerouted");
    const stuck = direct.filter((way) => !can(way)).map(({ call }) => call.peer);
    if (stuck.length > 0) this.host.alert(phrase("stillDirect", stuck.join(", ")));
  }

  /** Whether a call waits for the service. */
  get urgent(): boolean {
    return this.recovery.busy || this.calls.all.some(({ settingUp, reconnecting }) => settingUp || reconnecting);
  }

  /**
   * Calls somebody and brings the conversation to the front. If there is a call with them already it stays: they called first, or the
   * button was pressed twice.
   */
  connect(typed: string): void {
    const { account, host } = this;
    const { service, settings } = host;
    const { blocked, relayOnly } = settings.choices;
    const peer = typed.trim();
    const key = loginKey(peer);
    if (peer.length > MAX_LOGIN_LENGTH) return host.alert(phrase("loginTooLong"));
    if (peer === "") {
      if (account.front?.call === undefined) host.alert(phrase("typePeer"));
      return;
    }
    if (key === loginKey(this.login)) return host.alert(phrase("thatIsYou"));
    if (this.calls.with(peer) !== undefined) {
      account.show(account.with(peer));
      host.changed();
      return;
    }
    if (blocked.includes(key)) return host.alert(phrase("blockedPeer", peer));
    if (!service.ready) return host.alert(host.whyNotReady());
    if (relayOnly && !service.iceServers.relayed) return host.alert(phrase("noRelay"));
    if (this.calls.all.length >= MAX_CALLS) return host.alert(phrase("tooManyConversations"));
    host.alert(undefined);
    const conversation = this.#attach(this.calls.call(peer));
    conversation.peer = peer;
    account.showCalled(conversation);
    host.changed();
  }

  /** Accepts somebody who waits. */
  accept(request: Request): void {
    const call = this.calls.accept(request);
    if (call !== undefined) this.account.show(this.#attach(call));
    this.host.changed();
  }

  /** Declines somebody who waits. */
  decline(request: Request): void {
    // This comes first: an empty conversation goes with the request, from the device too.
    this.account.note(this.account.with(request.peer), phrase("noteDeclined", request.peer));
    this.calls.decline(request);
  }

  /** Ends the call of a conversation, or stops restoring it. */
  hangUp(conversation: LiveConversation): void {
    const { call, peer, restoring } = conversation;
    this.deleted(conversation);
    if (call === undefined && restoring) this.account.note(conversation, phrase("noteHungUp", peer));
  }

  /** The conversation is being deleted. Its call ends, and nothing is noted any more. */
  deleted(conversation: LiveConversation): void {
    const { call, peer, loss } = conversation;
    call?.end("hung-up");
    this.recovery.stop(conversation);
    if (loss !== undefined) this.calls.abandon(peer, loss.call);
  }

  /** Ends everything with a login that is blocked now. */
  blocked(peer: string): void {
    for (const request of this.calls.requests) if (loginKey(request.peer) === loginKey(peer)) this.calls.decline(request);
    const conversation = this.account.find(peer);
    if (conversation === undefined) return;
    this.hangUp(conversation);
    this.account.note(conversation, phrase("noteBlocked", peer));
  }

  /** The page before in this tab was connected to somebody, or called them: the call is restored. */
  restore({ peer, call, certificate }: OpenConversation): void {
    this.calls.wasBefore(call);
    this.recovery.lost(this.account.with(peer), { id: call, fingerprints: certificate === undefined ? undefined : { peer: certificate }, bare: false }, "lost");
  }

  /** Ends every call and restores none. */
  end(): void {
    for (const { peer, loss } of this.account.conversations) if (loss !== undefined) this.calls.abandon(peer, loss.call);
    clearTimeout(this.#changeOverTimer);
    this.recovery.stopAll();
    this.calls.end();
  }

  // What calls report (CallsListener).

  began(call: Call): void {
    const conversation = this.#attach(call);
    // A person who looks at no conversation, or at one that is off, sees the one that begins, unless they are writing to somebody else.
    const { front, writing } = this.account;
    if (front === undefined ? !writing : front.phase === "off" && front.draft === "") this.account.show(conversation);
  }

  requested({ peer }: Request): void {
    this.host.arrived(this.account.with(peer));
    this.host.changed();
  }

  settled({ peer }: Request): void {
    const conversation = this.account.find(peer);
    if (conversation === undefined) return;
    if (conversation.restoring) this.recovery.resume(conversation); // It has waited for the person.
    // Otherwise somebody could fill the list by calling and giving up, each time under another login.
    this.account.dropIfEmpty(conversation);
    this.host.changed();
  }

  refused(): void {
    this.host.alert(phrase("noRelay"));
  }

  abandoned(peer: string, id: string): void {
    const conversation = this.account.find(peer);
    // An attempt that is under way is refused for itself.
    if (conversation?.loss?.call !== id || conversation.call !== undefined) return;
    this.recovery.stop(conversation);
    this.account.note(conversation, phrase("noteLeft", peer));
  }

  opened(call: Call): void {
    const conversation = this.account.carriedBy(call);
    if (conversation === undefined) return call.end("hung-up");
    const restored = this.recovery.opened(conversation, call);
    conversation.peer = call.peer;
    this.host.alert(undefined);
    this.account.note(conversation, phrase(restored ? "noteReconnected" : "noteConnected", call.peer));
    this.#changeOver([call]);
    void this.recognition.opened(call, conversation);
  }

  received(call: Call, text: string): void {
    this.recognition.once(call, (conversation) => this.account.arrived(conversation, { kind: "received", author: call.peer, text }));
  }

  delivered(call: Call, letters: readonly Letter[]): void {
    this.#inConversation(call, (conversation) => this.account.delivered(conversation, letters, "delivered"));
  }

  sent(call: Call, letters: readonly Letter[]): void {
    this.#inConversation(call, (conversation) => this.account.delivered(conversation, letters, "sent"));
  }

  read(call: Call, id: number): void {
    this.#inConversation(call, (conversation) => this.account.read(conversation, id));
  }

  typing(call: Call, typing: boolean): void {
    this.recognition.once(call, (conversation) => conversation.peerTypes(typing));
  }

  next(call: Call, fingerprint: string): void {
    this.recognition.announced(call, fingerprint);
  }

  reconnectingChanged(call: Call): void {
    this.#inConversation(call, (conversation) => {
      if (!call.reconnecting) this.account.seen(conversation);
    });
    this.host.changed();
  }

  ended(call: Call, end: CallEnd): void {
    this.#inConversation(call, (conversation) => this.#ended(conversation, call, end));
  }

  #ended(conversation: LiveConversation, call: Call, end: CallEnd): void {
    const { account, host } = this;
    conversation.ended(call);
    if (call.wasOpen) host.alert(undefined);
    const stopped = FINAL.has(end) && this.recovery.stop(conversation);
    // If their call takes the place of this page's attempt to restore, their call restores it.
    if (!FINAL.has(end) && end !== "superseded" && !call.wasOpen && this.recovery.failed(conversation, end)) return host.changed();
    const how = call.wasOpen ? LOST_BY[end] : undefined;
    // Nothing tells of a client without framing whether it is gone.
    if (how !== undefined) this.recovery.lost(conversation, call, how === "lost" && call.bare ? "gone" : how);
    // An attempt to restore an open call ends as the open call would.
    const notice = noticeOf(end, { wasOpen: call.wasOpen || stopped, outgoing: call.outgoing });
    if (notice === undefined) return host.changed();
    if ("note" in notice) account.note(conversation, phrase(notice.note, call.peer));
    else {
      const { service, settings } = host;
      const relay = noConnection(call.peer, settings.choices.relayOnly, service.iceServers.relayed);
      host.alert(notice.alert === "noConnection" ? relay : phrase(notice.alert, call.peer));
      account.dropIfEmpty(conversation);
    }
  }

  /** What the person sends may go out on this call. */
  async #accepted(call: Call, conversation: LiveConversation): Promise<void> {
    const { account, host } = this;
    if (conversation.undelivered) {
      // What the device does not know in time goes out.
      await Promise.race([account.catchUp(conversation), new Promise((resolve) => setTimeout(resolve, CATCH_UP_WITHIN))]);
      if (conversation.call !== call) return;
    }
    call.admit();
    if (!call.bare) call.carry(account.transfers(conversation));
    const next = host.ownIdentity()?.next;
    if (next !== undefined) call.announce(next);
    account.seen(conversation);
    if (account.front === conversation && conversation.draft.trim() !== "") call.typing(true);
    host.changed();
  }

  #attach(call: Call): LiveConversation {
    const conversation = this.account.with(call.peer);
    conversation.begin(call);
    return conversation;
  }

  /** Does something with the conversation of a call, unless it has been deleted. */
  #inConversation(call: Call, act: (conversation: LiveConversation) => void): void {
    const conversation = this.account.carriedBy(call);
    if (conversation !== undefined) act(conversation);
  }

  /** What happens to an offer or an answer of somebody. */
  #policy(peer: string, sdp: string): "take" | "ask" | "no-relay" | "ignore" {
    const { service, settings } = this.host;
    const { askFirst, blocked, relayOnly } = settings.choices;
    if (blocked.includes(loginKey(peer))) return "ignore";
    if (relayOnly && !service.iceServers.relayed) return "no-relay";
    if (!askFirst) return "take";
    const call = this.calls.with(peer);
    const before = call?.wasOpen === true ? { peer: call.fingerprints?.peer, bare: call.bare } : this.account.find(peer)?.loss;
    // The person calls them, or has accepted the other end of a call that is open or being restored. That end is known by its
    // certificate: its login may be somebody else's by now. If nothing is known of its certificate, the login has to do.
    const calling = call?.outgoing === true && call.phase === "calling";
    const known = before === undefined ? calling : before.bare || [undefined, fingerprintOf(sdp)].includes(before.peer);
    return known ? "take" : "ask";
  }

  #configuration(): RTCConfiguration {
    const { service, settings } = this.host;
    const certificate = this.host.ownIdentity()?.certificate;
    return {
      ...(certificate === undefined ? {} : { certificates: [certificate] }),
      iceServers: service.iceServers.all,
      iceTransportPolicy: settings.choices.relayOnly ? "relay" : "all",
    };
  }
}
