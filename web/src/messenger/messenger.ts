import type { Call, CallEnd } from "../call/call.js";
import { Calls, type CallsListener, type Request } from "../call/calls.js";
import { MAX_TEXT_BYTES } from "../call/framing.js";
import { Conversation, type Entry } from "../conversation/conversation.js";
import type { Keeper } from "../conversation/history.js";
import type { Store } from "../files/sinks.js";
import type { Transfer } from "../files/transfer.js";
import { Transfers } from "../files/transfers.js";
import type { Contacts } from "../identity/contacts.js";
import type { Identity, OwnIdentity } from "../identity/identity.js";
import type { Settings } from "../settings.js";
import { Backoff } from "../signaling/backoff.js";
import { freshId } from "../signaling/ids.js";
import { MAX_LOGIN_LENGTH, loginKey } from "../signaling/logins.js";
import { ServiceConnection, type ServiceState } from "../signaling/service.js";
import { type Phrase, phrase } from "../words.js";

/** How long "is typing" holds without being said again, in ms. */
const TYPING_LASTS = 6_000;
/** How long after a break this page still calls the other again by itself, in ms. */
const COME_BACK_WITHIN = 180_000;
/** How long after a call was lost it may turn out that it was this side's network, in ms. */
const NOTICED_WITHIN = 60_000;
/** So many calls and requests that are being set up or on are enough for anybody. */
const MAX_CALLS = 64;

/** What the messenger works with. */
export interface MessengerOptions {
  /** Of the service. */
  url: string;
  settings: Settings;
  /** What is kept on this device. */
  keeper: Keeper;
  /** Where received files go. */
  files: Store | Promise<Store>;
  identity: Identity;
  contacts: Contacts;
  /** Something has changed: look again. */
  changed: () => void;
  /** A message has come that the person may not see. */
  arrived: (conversation: Conversation) => void;
}

/** What outlasts a Sign out, for the next Join under the same login. */
interface Account {
  key: string;
  /** By key of the other's login. */
  conversations: Map<string, Conversation>;
}

/**
 * What the page is about, without a view: the login, the conversations and what must be said to the
 * person. The view shows it and calls its methods; `changed` tells it to look again.
 */
export class Messenger {
  /** What a person must know now; undefined: nothing. */
  alert: Phrase | undefined;
  /** A Join is under way. */
  joining = false;
  /** What is typed while there is no conversation to type it in. */
  draft = "";

  readonly #service: ServiceConnection;
  #account: Account | undefined;
  #identity: OwnIdentity | undefined;
  #calls: Calls | undefined;
  #front: Conversation | undefined;
  /** The person looks at the page. */
  #attended = true;
  /** What was said about a login that the service refused after a reconnect. */
  #loginAlert: Phrase | undefined;
  readonly #transfers = new WeakMap<Conversation, Transfers>();
  readonly #files = new WeakMap<Transfer, { conversation: Conversation; entry: Entry }>();
  /** What each call carries. */
  readonly #carried = new WeakMap<Call, Conversation>();
  /** What waits until it has been found out who is at the other end of a call. */
  readonly #recognising = new WeakMap<Call, ((conversation: Conversation) => void)[]>();
  readonly #typing = new WeakMap<Conversation, ReturnType<typeof setTimeout>>();
  /** What was in front before a call brought another conversation there. */
  #behind: Conversation | undefined;
  readonly #readDue = new Set<Conversation>();
  /** Conversations whose calls this page restores, by when it stops to try. */
  readonly #comingBack = new Map<Conversation, number>();
  readonly #giveUp = new WeakMap<Conversation, ReturnType<typeof setTimeout>>();
  /** When calls of conversations were lost that the other side may restore, in ms. */
  readonly #lost = new Map<Conversation, number>();
  /** The device has said that it has no network. */
  #networkAway = false;
  readonly #comeBackBackoff = new Backoff(1_000, 10_000);

  constructor(private readonly options: MessengerOptions) {
    this.#service = new ServiceConnection(options.url, {
      stateChanged: () => {
        if (this.#service.ready) this.#serviceReady();
        else this.#wasAway();
        options.changed();
      },
      received: (frame) => {
        if (frame.type !== "error") {
          this.#calls?.receive(frame);
          options.changed(); // A call may have come in, or been answered.
        } else if (this.#calls?.refused(frame) !== true && frame.to === undefined) this.#warn(phrase("verbatim", frame.message));
      },
      presence: (online, offline) => {
        for (const [logins, there] of [[online, true], [offline, false]] as const) {
          for (const login of logins) {
            const conversation = this.#account?.conversations.get(loginKey(login));
            if (conversation !== undefined) conversation.online = there;
          }
        }
        options.changed();
      },
      loginLost: (code) => {
        this.#loginAlert = code === "login-taken" ? phrase("lostLogin", this.login ?? "") : phrase("refusedAgain");
        this.#warn(this.#loginAlert);
      },
      loginRegained: () => {
        if (this.alert === this.#loginAlert) this.alert = undefined;
        options.changed();
      },
    });
  }

  /** Opens the connection to the service. */
  start(): void {
    this.#service.connect();
  }

  /** Connects to the service now. */
  reconnect(): void {
    this.#service.connect();
  }

  /** The device has lost its network. */
  networkLost(): void {
    this.#networkAway = true;
    this.#wasAway();
  }

  /** The device has a network again, or another one. */
  networkChanged(): void {
    this.#networkAway = false;
    this.#service.hurry();
    this.#calls?.networkChanged();
  }

  get service(): ServiceState {
    return this.#service.state;
  }

  /** Whether others can be called now. */
  get reachable(): boolean {
    return this.#service.ready;
  }

  /** The login, once joined. */
  get login(): string | undefined {
    return this.#calls === undefined ? undefined : this.#service.login;
  }

  /** All conversations, that in which something happened last first. */
  get conversations(): Conversation[] {
    const all = [...(this.#account?.conversations.values() ?? [])];
    return all.sort((a, b) => b.active.getTime() - a.active.getTime());
  }

  /** The conversation that the person looks at. */
  get front(): Conversation | undefined {
    return this.#front;
  }

  /** Who waits to be let in, first come first. */
  get requests(): readonly Request[] {
    return this.#calls?.requests ?? [];
  }

  /** Messages that the person has not seen, in all conversations. */
  get unread(): number {
    return this.conversations.reduce((sum, { unread }) => sum + unread, 0);
  }

  /** Whether something would be lost if the page were closed now. */
  get undelivered(): boolean {
    return this.conversations.some(
      (conversation) => (conversation.undelivered && !this.options.keeper.keeping) || this.#transfers.get(conversation)?.active === true,
    );
  }

  async join(typed: string): Promise<void> {
    const login = typed.trim();
    if (this.joining || this.login !== undefined) return;
    if (login === "") return this.#warn(phrase("typeLogin"));
    if (login.length > MAX_LOGIN_LENGTH) return this.#warn(phrase("loginTooLong"));
    this.alert = undefined;
    this.joining = true;
    this.options.changed();
    const key = loginKey(login);
    // Before the service is told: from its answer on calls may come in.
    const [account] = await Promise.all([this.#accountOf(key), this.#prove()]);
    const result = await this.#service.join(login);
    this.joining = false;
    if (result.joined) {
      if (this.#account !== account) void this.#forgetFiles([...(this.#account?.conversations.values() ?? [])]);
      this.#account = account;
      this.#joined(login);
    } else this.#warn(refusal(login, result));
    this.options.changed();
  }

  /** Ends every conversation and gives the login up. */
  signOut(): void {
    this.#stopComingBack();
    this.#calls?.end();
    this.#calls = undefined;
    this.#service.leave();
    this.#show(undefined);
    this.draft = ""; // Who joins next may be somebody else.
    this.alert = undefined;
    this.options.changed();
  }

  /** Brings a conversation to the front; undefined: none. */
  show(conversation: Conversation | undefined): void {
    this.#show(conversation);
    this.options.changed();
  }

  /** Whether the person looks at the page. */
  attend(attended: boolean): void {
    if (attended === this.#attended) return;
    this.#attended = attended;
    if (attended && this.#front !== undefined) this.#seen(this.#front);
    this.options.changed();
  }

  /**
   * Calls somebody and brings the conversation to the front. A call with them that is there already stays: theirs came
   * first, or the button was pressed twice.
   */
  connect(typed: string): void {
    const peer = typed.trim();
    if (peer.length > MAX_LOGIN_LENGTH) return this.#warn(phrase("loginTooLong"));
    const me = this.login;
    if (this.#calls === undefined || me === undefined) return;
    const key = loginKey(peer);
    if (peer === "") {
      if (this.#front?.call === undefined) this.#warn(phrase("typePeer"));
      return;
    }
    if (key === loginKey(me)) return this.#warn(phrase("thatIsYou"));
    if (this.#calls.with(peer) !== undefined) {
      this.show(this.#conversation(peer));
      return;
    }
    if (this.options.settings.choices.blocked.includes(key)) return this.#warn(phrase("blockedPeer", peer));
    if (!this.#service.ready) return this.#warn(phrase("unreachable"));
    if (this.options.settings.choices.relayOnly && !this.#service.relayed) return this.#warn(phrase("noRelay"));
    if (this.#calls.all.length >= MAX_CALLS) return this.#warn(phrase("tooManyConversations"));
    this.alert = undefined;
    this.#call(peer);
  }

  /** Ends the call `call`, if it is still on. */
  disconnect(call: Call): void {
    call.end("hung-up", "left");
  }

  /** Ends what is on with somebody, also where it is being restored and there is no call just now. */
  hangUp(conversation: Conversation): void {
    const { call, peer } = conversation;
    const wasComingBack = this.#stopComingBack(conversation);
    if (call !== undefined) call.end("hung-up", "left");
    else if (wasComingBack) this.#note(conversation, phrase("noteHungUp", peer));
  }

  /** Lets somebody in who asks. */
  accept(request: Request): void {
    const call = this.#calls?.accept(request);
    if (call !== undefined) this.#show(this.#attach(call));
    this.options.changed();
  }

  /** Does not let somebody in who asks. */
  decline(request: Request): void {
    this.#calls?.decline(request);
    this.#note(this.#conversation(request.peer), phrase("noteDeclined", request.peer));
  }

  /** From now on nothing is taken from this login. What is on with it ends. */
  block(peer: string): void {
    const { settings } = this.options;
    const key = loginKey(peer);
    settings.choose({ blocked: [...settings.choices.blocked.filter((other) => other !== key), key] });
    for (const request of this.requests) if (loginKey(request.peer) === key) this.#calls?.decline(request);
    const conversation = this.#account?.conversations.get(key);
    if (conversation !== undefined) {
      this.hangUp(conversation);
      this.#note(conversation, phrase("noteBlocked", peer));
    }
    this.options.changed();
  }

  /** Takes calls of this login again. */
  unblock(peer: string): void {
    const { settings } = this.options;
    settings.choose({ blocked: settings.choices.blocked.filter((other) => other !== loginKey(peer)) });
  }

  /** Sends a text in the front conversation. False: it was not taken, and stays with the person. */
  send(text: string): boolean {
    if (text.trim() === "") return false;
    const conversation = this.#front;
    const call = conversation?.call;
    const phase = conversation?.phase;
    if (conversation === undefined || (phase !== "open" && phase !== "reconnecting")) {
      this.#warn(phrase("nobodyYet"));
      return false;
    }
    // A UTF-16 unit takes 3 bytes of UTF-8 at most.
    if (text.length * 3 > MAX_TEXT_BYTES && new TextEncoder().encode(text).length > MAX_TEXT_BYTES) {
      this.#warn(phrase("tooLong"));
      return false;
    }
    const letter = conversation.correspondence.post(text).id;
    const entry = conversation.add({ kind: "own", author: this.login ?? "", text, delivery: "sending", letter } as const);
    conversation.draft = "";
    this.#keep(conversation, [entry]);
    this.alert = undefined;
    call?.typing(false);
    call?.flush();
    this.options.changed();
    return true;
  }

  /** What is being written in the front conversation. */
  type(text: string): void {
    const conversation = this.#front;
    if (conversation === undefined) {
      this.draft = text;
      return;
    }
    conversation.draft = text;
    this.options.keeper.saveSoon(this.#account!.key, conversation);
    if (conversation.phase === "open") conversation.call?.typing(text.trim() !== "");
  }

  /** The person has read the alert. */
  dismissAlert(): void {
    this.alert = undefined;
    this.options.changed();
  }

  /** The files of a conversation. */
  transfers(conversation: Conversation): Transfers {
    let transfers = this.#transfers.get(conversation);
    if (transfers === undefined) {
      transfers = new Transfers(this.options.files, {
        offered: (file) => {
          const entry = this.#arrived(conversation, { kind: "file", author: conversation.peer, own: false, file });
          this.#files.set(file, { conversation, entry });
        },
        changed: (file) => {
          const kept = this.#files.get(file);
          // How a file ended is kept; until then it has not.
          if (kept !== undefined && file.over) this.#keep(kept.conversation, [kept.entry]);
          this.options.changed();
        },
        limitChanged: () => this.options.changed(),
      });
      this.#transfers.set(conversation, transfers);
    }
    return transfers;
  }

  /** The files of the front conversation; undefined: none can pass now. */
  get files(): Transfers | undefined {
    const conversation = this.#front;
    return conversation?.call?.phase === "open" && !conversation.call.bare ? this.transfers(conversation) : undefined;
  }

  /** Offers files in the front conversation. */
  attach(files: readonly File[]): void {
    const conversation = this.#front;
    if (conversation?.call?.phase !== "open") return this.#warn(phrase("nobodyYetForFiles"));
    const limit = this.files?.peerLimit;
    if (limit === undefined) return this.#warn(phrase("takesNoFiles", conversation.peer));
    if (files.length === 0) return this.#warn(phrase("noFolders"));
    this.alert = undefined;
    for (const file of files) {
      if (file.size > limit) {
        this.#warn(phrase("fileTooLargeForPeer", file.name, conversation.peer, String(limit)));
        continue;
      }
      const transfer = this.transfers(conversation).offer(file, file.name);
      const entry = conversation.add({ kind: "file", author: this.login ?? "", own: true, file: transfer } as const);
      this.#files.set(transfer, { conversation, entry });
      this.#keep(conversation, [entry]);
    }
    this.options.changed();
  }

  /** Brings older entries of a conversation back. */
  async showEarlier(conversation: Conversation): Promise<void> {
    const account = this.#account;
    if (account === undefined) return;
    const oldest = conversation.entries[0];
    const { entries, more } = await this.options.keeper.earlier(account.key, conversation);
    if (conversation.entries[0] !== oldest) return; // Asked for twice, they are there already.
    conversation.prepend(entries);
    conversation.hasEarlier = more;
    this.options.changed();
  }

  /** Forgets a conversation, here and on the device. A call that is on ends. */
  async delete(conversation: Conversation): Promise<void> {
    this.#stopComingBack(conversation);
    conversation.call?.end("hung-up", "left");
    const account = this.#account;
    account?.conversations.delete(conversation.key);
    void this.#forgetFiles([conversation]);
    if (this.#front === conversation) this.#show(undefined);
    this.#watchPresence();
    this.options.changed();
    if (account !== undefined) await this.#onDevice(this.options.keeper.delete(account.key, conversation.key));
  }

  /** Resolves when the device has no bytes of their files any more. */
  async #forgetFiles(conversations: Conversation[]): Promise<void> {
    const closed = conversations.map((conversation) => this.#transfers.get(conversation)?.close());
    for (const conversation of conversations) this.#transfers.delete(conversation);
    await Promise.all(closed);
  }

  /** Forgets everything that was said, and signs out. What else the device keeps is the caller's to delete. */
  forget(): Promise<void> {
    this.signOut();
    const forgotten = this.#forgetFiles([...(this.#account?.conversations.values() ?? [])]);
    this.#account = undefined;
    this.options.changed();
    return forgotten;
  }

  /** Whether this browser keeps its identity; undefined: that is not known yet. */
  get identityKept(): boolean | undefined {
    return this.#identity?.kept;
  }

  /** Ends all calls and starts afresh with a new identity. */
  async renewIdentity(): Promise<void> {
    this.#calls?.end();
    await this.#onDevice(this.options.identity.renew());
    if (this.login !== undefined) await this.#prove();
    this.options.changed();
  }

  /** The person goes on with somebody whose identity has changed. */
  async goOn(conversation: Conversation): Promise<void> {
    const { call, trust } = conversation;
    if (call === undefined || trust?.changed !== true) return;
    trust.changed = false;
    await this.options.contacts.accept(this.#account!.key, conversation.key, trust.fingerprints.peer);
    this.#admit(call, conversation);
  }

  /** The person has compared the safety number, or takes that back. */
  async verify(conversation: Conversation, verified: boolean): Promise<void> {
    const { trust } = conversation;
    if (trust === undefined || trust.verified === verified) return;
    trust.verified = verified;
    if (verified) this.#note(conversation, phrase("noteVerified", conversation.peer));
    this.options.changed();
    await this.options.contacts.verify(this.#account!.key, conversation.key, trust.fingerprints.peer, verified);
  }

  /** The page is going away: tells the others while it can. */
  leavePage(): void {
    this.#stopComingBack();
    this.#calls?.end();
  }

  /** What of a login was here before this page, or is kept on the device. */
  async #accountOf(key: string): Promise<Account> {
    const loaded = await this.options.keeper.load(key);
    const account = this.#account?.key === key ? this.#account : { key, conversations: new Map<string, Conversation>() };
    for (const { kept, entries, more } of loaded) {
      const here = account.conversations.get(loginKey(kept.peer));
      // What is here has pictures and more that is not kept; but another tab may have gone on with it since.
      if (here?.isOf(kept) === true) continue;
      if (here !== undefined) void this.#forgetFiles([here]);
      const conversation = new Conversation(kept.peer, freshId(), kept, entries);
      conversation.hasEarlier = more;
      account.conversations.set(conversation.key, conversation);
    }
    return account;
  }

  async #prove(): Promise<void> {
    this.#identity = await this.options.identity.own();
  }

  #joined(login: string): void {
    for (const conversation of this.#account?.conversations.values() ?? []) conversation.online = undefined;
    this.#calls = new Calls({
      me: login,
      configuration: () => this.#configuration(),
      send: (frame) => this.#service.send(frame),
      reachable: () => this.#service.ready && !this.#networkAway,
      correspondence: (peer) => this.#conversation(peer).correspondence,
      policy: (peer) => {
        const { askFirst, blocked, relayOnly } = this.options.settings.choices;
        if (blocked.includes(loginKey(peer))) return "ignore";
        if (relayOnly && !this.#service.relayed) return "decline"; // It could not connect.
        const conversation = this.#account?.conversations.get(loginKey(peer));
        const open = this.#calls?.with(peer)?.wasOpen === true || (conversation !== undefined && this.#comingBack.has(conversation));
        return askFirst && !open ? "ask" : "take";
      },
      listener: this.#callsListener(),
    });
    this.#watchPresence();
  }

  #configuration(): RTCConfiguration {
    return {
      ...(this.#identity === undefined ? {} : { certificates: [this.#identity.certificate] }),
      iceServers: this.#service.iceServers,
      iceTransportPolicy: this.options.settings.choices.relayOnly ? "relay" : "all",
    };
  }

  /** The conversation with somebody, which this may begin. */
  #conversation(peer: string): Conversation {
    const account = this.#account!;
    const key = loginKey(peer);
    let conversation = account.conversations.get(key);
    if (conversation === undefined) {
      conversation = new Conversation(peer, freshId());
      account.conversations.set(key, conversation);
      this.#watchPresence();
    }
    return conversation;
  }

  #watchPresence(): void {
    this.#service.watch(this.conversations.map(({ peer }) => peer));
  }

  #show(conversation: Conversation | undefined): void {
    if (conversation === this.#front) return;
    this.#front?.call?.typing(false);
    this.#front = conversation;
    if (conversation === undefined) return;
    if (conversation.draft === "" && this.draft !== "") {
      conversation.draft = this.draft;
      this.draft = "";
    }
    this.#seen(conversation);
  }

  #call(peer: string): void {
    const call = this.#calls!.call(peer);
    const conversation = this.#attach(call);
    conversation.peer = peer;
    this.#behind = this.#front;
    this.#show(conversation);
    this.options.changed();
  }

  /** A call is its conversation's from its beginning on. */
  #attach(call: Call): Conversation {
    const conversation = this.#conversation(call.peer);
    conversation.call = call;
    this.#carried.set(call, conversation);
    return conversation;
  }

  #callsListener(): CallsListener {
    return {
      began: (call) => {
        const conversation = this.#attach(call);
        // Who looks at nothing that goes on is shown what does.
        const front = this.#front;
        if (front === undefined || (front.phase === "off" && front.draft === "")) this.#show(conversation);
      },
      requested: ({ peer }) => {
        this.#conversation(peer).asking = true;
        this.options.arrived(this.#conversation(peer));
        this.options.changed();
      },
      settled: ({ peer }) => {
        const conversation = this.#account?.conversations.get(loginKey(peer));
        if (conversation === undefined) return;
        conversation.asking = false;
        // Whoever asks and gives up, over and over under other logins, fills no list.
        this.#dropIfEmpty(conversation);
        this.options.changed();
      },
      refused: () => this.#warn(phrase("noRelay")),
      opened: (call) => this.#opened(call),
      received: (call, text) => this.#onceRecognised(call, (conversation) => this.#arrived(conversation, { kind: "received", author: call.peer, text })),
      delivered: (call, letters) => this.#mark(call, letters, "delivered"),
      sent: (call, letters) => this.#mark(call, letters, "sent"),
      read: (call, id) => {
        const conversation = this.#carriedBy(call);
        if (conversation === undefined || !this.options.settings.choices.readReceipts) return;
        const marked = conversation.markRead(id);
        if (marked.length > 0) this.#keep(conversation, marked);
        this.options.changed();
      },
      typing: (call, typing) => this.#onceRecognised(call, (conversation) => this.#typingBy(conversation, typing)),
      next: (call, fingerprint) =>
        this.#onceRecognised(call, ({ key, trust, call: current }) => {
          // Whom nobody trusts yet vouches for nobody, and nobody for who comes after.
          if (current !== call || trust === undefined || trust.changed) return;
          void this.options.contacts.vouch(this.#account!.key, key, trust.fingerprints.peer, fingerprint);
        }),
      troubled: (call) => {
        const conversation = this.#carriedBy(call);
        if (conversation !== undefined && !call.reconnecting) this.#seen(conversation);
        this.options.changed();
      },
      ended: (call, end) => this.#ended(call, end),
    };
  }

  /** The conversation that a call carries; undefined: it has been deleted, or is another login's. */
  #carriedBy(call: Call): Conversation | undefined {
    const conversation = this.#carried.get(call);
    return conversation !== undefined && this.#account?.conversations.get(conversation.key) === conversation ? conversation : undefined;
  }

  /** Does something with what has come on a call; while it is being found out who is at its other end, that waits. */
  #onceRecognised(call: Call, act: (conversation: Conversation) => void): void {
    const waiting = this.#recognising.get(call);
    if (waiting !== undefined) {
      waiting.push(act);
      return;
    }
    const conversation = this.#carriedBy(call);
    if (conversation !== undefined) act(conversation);
  }

  #opened(call: Call): void {
    const conversation = this.#carriedBy(call);
    if (conversation === undefined) return call.end("hung-up", "left");
    const cameBack = this.#stopComingBack(conversation);
    this.#comeBackBackoff.reset();
    conversation.peer = call.peer;
    this.alert = undefined;
    this.#note(conversation, phrase(cameBack ? "noteReconnected" : "noteConnected", call.peer));
    const waiting: ((conversation: Conversation) => void)[] = [];
    this.#recognising.set(call, waiting);
    void this.#recognise(call, conversation).finally(() => {
      this.#recognising.delete(call);
      for (const act of waiting) this.#onceRecognised(call, act);
    });
  }

  /** Finds out whether the other is who it was, and only then lets pass what the person sends. */
  async #recognise(call: Call, conversation: Conversation): Promise<void> {
    const { fingerprints } = call;
    // A connection cannot open without them.
    if (fingerprints === undefined) return call.end("garbled", "left");
    const lasting = !call.bare;
    const meeting = await this.options.contacts.meet(this.#account!.key, conversation.key, fingerprints.peer, lasting);
    const changed = meeting.kind === "changed";
    // Said also where the call is over by now: what has come on it is shown behind this.
    if (changed && this.#carriedBy(call) === conversation) this.#note(conversation, phrase("noteIdentityChanged", call.peer));
    if (conversation.call !== call) return;
    const trust = { fingerprints, lasting, changed, verified: meeting.kind === "known" && meeting.verified, wasVerified: changed && meeting.wasVerified };
    conversation.trust = trust;
    if (!changed) return this.#admit(call, conversation);
    this.options.changed();
  }

  /** What the person sends to somebody passes from now on. */
  #admit(call: Call, conversation: Conversation): void {
    call.admit();
    if (!call.bare) call.carry(this.transfers(conversation));
    if (this.#identity?.next !== undefined) call.announce(this.#identity.next);
    this.#seen(conversation);
    if (this.#front === conversation && conversation.draft.trim() !== "") call.typing(true);
    this.options.changed();
  }

  #arrived(conversation: Conversation, entry: { kind: "received"; author: string; text: string } | (Omit<Entry & { kind: "file" }, "id" | "time">)): Entry {
    const whole = conversation.add(entry);
    this.#typingBy(conversation, false);
    const seen = conversation === this.#front && this.#attended;
    if (seen) this.#seen(conversation);
    else conversation.unread++;
    this.#keep(conversation, [whole]);
    const bearable = this.options.keeper.keeping ? conversation.trim() : conversation.bearable;
    if (!bearable) conversation.call?.end("garbled", "left");
    if (!seen) this.options.arrived(conversation);
    this.options.changed();
    return whole;
  }

  /** The person sees a conversation, as far as it is in front and looked at. */
  #seen(conversation: Conversation): void {
    if (conversation !== this.#front || !this.#attended) return;
    if (conversation.unread > 0) {
      conversation.unread = 0;
      this.#keep(conversation, []);
    }
    if (!this.options.settings.choices.readReceipts || conversation.correspondence.received === undefined) return;
    // Of many texts that come in one burst the last one is enough.
    if (this.#readDue.size === 0) {
      setTimeout(() => {
        for (const due of this.#readDue) due.call?.markRead();
        this.#readDue.clear();
      });
    }
    this.#readDue.add(conversation);
  }

  #typingBy(conversation: Conversation, typing: boolean): void {
    clearTimeout(this.#typing.get(conversation));
    if (typing) this.#typing.set(conversation, setTimeout(() => this.#typingBy(conversation, false), TYPING_LASTS));
    if (typing === conversation.typing) return;
    conversation.typing = typing;
    this.options.changed();
  }

  #mark(call: Call, letters: readonly { id: number }[], delivery: "delivered" | "sent"): void {
    const conversation = this.#carriedBy(call); // Receipts still come after a call has ended.
    if (conversation === undefined) return;
    const marked = conversation.mark(new Set(letters.map(({ id }) => id)), delivery);
    this.#keep(conversation, marked);
    this.options.changed();
  }

  #ended(call: Call, end: CallEnd): void {
    const { peer } = call;
    const conversation = this.#carriedBy(call);
    if (conversation === undefined) return;
    if (conversation.call === call) {
      conversation.call = undefined;
      conversation.trust = undefined;
    }
    this.#typingBy(conversation, false);
    if (call.wasOpen) this.alert = undefined;
    const comesBack = this.#comingBack.get(conversation);
    if (end === "hung-up" || end === "declined") this.#stopComingBack(conversation);
    else if (end === "superseded") this.options.changed(); // By a call of theirs, which restores it.
    else if (comesBack !== undefined && !call.wasOpen) {
      // The attempt to restore it has failed: another one, as long as it is worth trying.
      if (Date.now() < comesBack) this.#comeBack(conversation, comesBack);
      else this.#stopComingBack(conversation);
      this.options.changed();
      return;
    }
    const note = (key: "noteHungUp" | "noteCancelled" | "noteLeft" | "noteCancelledByPeer" | "noteLost" | "noteGarbled") =>
      this.#note(conversation, phrase(key, peer));
    switch (end) {
      case "hung-up":
        return note(call.wasOpen ? "noteHungUp" : "noteCancelled");
      case "left":
        return note(call.wasOpen || call.outgoing ? "noteLeft" : "noteCancelledByPeer");
      case "superseded":
        if (call.wasOpen) note("noteLeft");
        else this.options.changed();
        return;
      case "lost":
        // The side whose network was away comes back by itself; the other cannot know when.
        note("noteLost");
        if (call.wasAway) this.#comeBack(conversation, Date.now() + COME_BACK_WITHIN);
        else this.#lost.set(conversation, Date.now());
        return;
      case "garbled":
        return note("noteGarbled");
      case "unavailable":
      case "undeliverable":
      case "unreadable":
      case "busy":
      case "declined":
        this.#warn(phrase(end, peer));
        break;
      case "no-answer":
        this.#warn(phrase("didNotAnswer", peer));
        break;
      case "no-connection":
        this.#warn(phrase("noConnection", peer));
    }
    this.#dropIfEmpty(conversation);
  }

  /** Lets go of a conversation that has come to nothing: a login that was misspelled, perhaps. */
  #dropIfEmpty(conversation: Conversation): void {
    // What is typed for one stays with them, or it would stand in the field when another conversation comes to the front.
    if (conversation.entries.length > 0 || conversation.call !== undefined || conversation.draft.trim() !== "") return;
    this.#account?.conversations.delete(conversation.key);
    if (this.#front === conversation) {
      const behind = this.#behind;
      const there = behind !== undefined && this.#account?.conversations.get(behind.key) === behind;
      this.#show(there ? behind : undefined);
    }
    this.#watchPresence();
    void this.#onDevice(this.options.keeper.delete(this.#account!.key, conversation.key));
    this.options.changed();
  }

  /** This side's network is away, and may have been for a while: then calls that were lost meanwhile are this side's to restore. */
  #wasAway(): void {
    for (const [conversation, time] of this.#lost) {
      if (Date.now() - time < NOTICED_WITHIN && conversation.call === undefined) this.#comeBack(conversation, Date.now() + COME_BACK_WITHIN);
    }
    this.#lost.clear();
  }

  /** Calls the other again, once the service can be reached. */
  #comeBack(conversation: Conversation, until: number): void {
    if (this.#calls === undefined) return; // Signed out.
    clearTimeout(this.#giveUp.get(conversation));
    this.#giveUp.set(conversation, setTimeout(() => {
      if (conversation.call === undefined && this.#stopComingBack(conversation)) this.options.changed();
    }, until - Date.now()));
    this.#comingBack.set(conversation, until);
    conversation.returning = true;
    if (this.#service.ready) setTimeout(() => this.#restore(conversation), this.#comeBackBackoff.next());
  }

  #restore(conversation: Conversation): void {
    const until = this.#comingBack.get(conversation);
    if (until === undefined || this.#calls === undefined) return;
    if (Date.now() >= until) {
      this.#stopComingBack(conversation);
      this.options.changed();
      return;
    }
    // Their call may have come first.
    if (this.#calls.with(conversation.peer) !== undefined || !this.#service.ready || this.#networkAway) return;
    this.#attach(this.#calls.call(conversation.peer));
    this.options.changed();
  }

  /** Gives up to restore the call of a conversation, or of all. Returns whether that was under way. */
  #stopComingBack(conversation?: Conversation): boolean {
    const stopped = conversation === undefined ? [...this.#comingBack.keys()] : this.#comingBack.has(conversation) ? [conversation] : [];
    for (const one of stopped) {
      clearTimeout(this.#giveUp.get(one));
      this.#comingBack.delete(one);
      one.returning = false;
    }
    if (conversation === undefined) this.#lost.clear();
    else this.#lost.delete(conversation);
    return stopped.length > 0;
  }

  #serviceReady(): void {
    this.#calls?.serviceReady();
    for (const conversation of this.#comingBack.keys()) {
      if (conversation.call === undefined) setTimeout(() => this.#restore(conversation), this.#comeBackBackoff.next());
    }
  }

  #keep(conversation: Conversation, entries: readonly Entry[]): void {
    if (this.#account !== undefined) this.options.keeper.save(this.#account.key, conversation, entries);
  }

  /** Waits for something that is done on the device, and tells the person where it could not be. */
  async #onDevice(action: Promise<void>): Promise<void> {
    try {
      await action;
    } catch {
      this.#warn(phrase("deviceFailed"));
    }
  }

  #note(conversation: Conversation, said: Phrase): void {
    const entry = conversation.add({ kind: "note", phrase: said } as const);
    this.#keep(conversation, [entry]);
    this.options.changed();
  }

  #warn(said: Phrase): void {
    this.alert = said;
    this.options.changed();
  }
}

/** Why a login was refused, in the page's own words where it knows the code. */
function refusal(login: string, { code, message, reason }: { code: string; message: string; reason?: Phrase }): Phrase {
  if (reason !== undefined) return reason;
  switch (code) {
    case "login-taken":
      return phrase("inUse", login);
    case "no-answer":
      return phrase("noAnswer");
    case "unreachable":
      return phrase("unreachable");
    case "malformed":
      return phrase("unfitLogin");
    case "login-invalid":
      return phrase("invalidLogin");
    default:
      // A service of the original protocol gives no reason: there is only this one.
      return message === "" ? phrase("inUse", login) : phrase("verbatim", message);
  }
}
