import type { Request } from "../call/calls.js";
import type { Keeper } from "../conversation/history.js";
import type { Store } from "../files/sinks.js";
import type { Transfers } from "../files/transfers.js";
import type { Contacts } from "../identity/contacts.js";
import type { Identity, OwnIdentity } from "../identity/identity.js";
import type { Settings } from "../settings.js";
import type { JoinResult, ServiceState } from "../signaling/listener.js";
import { MAX_LOGIN_LENGTH, loginKey } from "../signaling/logins.js";
import { ServiceConnection } from "../signaling/service.js";
import type { KeptSession } from "../signaling/session.js";
import { tokenFault } from "../signaling/token.js";
import { type Phrase, phrase } from "../words.js";
import { Account, type AccountHost } from "./account.js";
import { Alerts } from "./alerts.js";
import { Handover, type HandoverOptions } from "./handover.js";
import { Joining } from "./joining.js";
import type { LiveConversation } from "./liveconversation.js";
import { refusal } from "./notices.js";
import { NOTHING_OPEN, type OpenConversations } from "./openconversations.js";
import type { Recognition } from "./recognition.js";
import { type Attachments, offerable, whyNotSent } from "./sending.js";
import { Switchboard, type SwitchboardHost } from "./switchboard.js";

/** What the messenger works with. */
export interface MessengerOptions extends HandoverOptions {
  /** Address of the service. */
  url: string;
  /** Looks for what keeps WebSockets from the service. */
  obstacle?: () => Promise<Phrase | undefined>;
  settings: Settings;
  /** Keeps conversations on this device. */
  keeper: Keeper;
  /** Where received files go. */
  files: Store | Promise<Store>;
  identity: Identity;
  contacts: Contacts;
  /** Something has changed: look again. */
  changed: () => void;
  /** Something has arrived that the person does not see. */
  arrived: (conversation: LiveConversation) => void;
}

/**
 * What the page is about, without a view: the connection to the service, the account, and its calls. The view shows it and calls its
 * methods; `changed` tells the view to look again. It lives as long as the page.
 */
export class Messenger {
  readonly #service: ServiceConnection;
  readonly #host: AccountHost & SwitchboardHost;
  /** The account of the last Join. It outlasts Sign out. */
  #account: Account | undefined;
  readonly #join = new Joining();
  /** What connects the calls of the account. It is there from Join to Sign out. */
  #switchboard: Switchboard | undefined;
  #identity: OwnIdentity | undefined;
  readonly #handover: Handover;
  /** The session of the page before, while it has yet to be taken over. */
  #resuming: KeptSession | undefined;
  #attended = true;
  readonly #alerts = new Alerts();

  constructor(private readonly options: MessengerOptions) {
    this.#handover = new Handover(options);
    this.#service = new ServiceConnection(options.url, {
      stateChanged: () => this.#changed(),
      received: (frame) => {
        if (frame.type !== "error") {
          this.#switchboard?.calls.receive(frame);
          this.#changed(); // A request may have come in, or a call has been answered.
        } else if (this.#switchboard?.calls.serviceError(frame) !== true && frame.to === undefined) this.#warn(phrase("verbatim", frame.message));
      },
      presence: (online, offline) => {
        const back = online.filter((login) => this.#account?.find(login)?.online === false);
        this.#account?.presence(online, offline);
        this.#switchboard?.back(back);
      },
      loginLost: (code) => {
        this.#alerts.refused(code, this.login ?? "");
        this.#changed();
      },
      loginRegained: (kept) => {
        this.#alerts.accepted();
        // The others know that the session has ended.
        if (this.#resuming !== undefined && !kept) this.#switchboard?.recovery.giveUp();
        this.#resuming = undefined;
        this.#switchboard?.serviceReady(kept);
        // The login may have been in use in another tab, which has gone on with the conversations.
        if (!kept) void this.refresh();
        this.#changed();
      },
      keep: (session) => this.#handover.keep(session),
      keepToken: (token) => this.#handover.keepToken(token),
      tokenRefused: (code) => this.#warn(tokenFault(code) ?? phrase("authFailed")),
      pending: () => this.#handover.unloading || this.#switchboard?.calls.undecided === true,
      answered: () => this.#switchboard?.serviceAnswered(),
      urgent: () => this.#switchboard?.urgent === true,
    }, undefined, options.obstacle);
    this.#host = {
      ...options,
      changed: () => this.#changed(),
      service: this.#service,
      ownIdentity: () => this.#identity,
      whyNotReady: () => (this.service.kind === "stopped" ? this.service.reason : (this.#alerts.refusal ?? phrase("unreachable"))),
      attended: () => this.#attended,
      asks: (key) => this.requests.some(({ peer }) => loginKey(peer) === key),
      alert: (said) => this.#warn(said),
    };
    const { token } = this.#handover;
    if (token !== undefined) this.#service.takeToken(token);
  }

  /** What a person must know now. */
  get alert(): Phrase | undefined {
    return this.#alerts.current;
  }

  set alert(said: Phrase | undefined) {
    this.#alerts.said = said;
  }

  /** Connects to the service now, unless it is connected. */
  connectToService(): void {
    this.#service.connect();
  }

  /** The device says that it has lost its network. The service may be there all the same. */
  networkLost(): void {
    this.#service.hurry();
  }

  /** The device has a network again, or another one. */
  networkChanged(): void {
    this.#service.hurry(true);
    this.#switchboard?.calls.networkChanged();
  }

  /** Tells the view, and the next page in this tab, that something has changed. */
  #changed(): void {
    this.#service.settle();
    if (this.login !== undefined) this.#handover.keepOpen(this.conversations, this.front);
    this.options.changed();
  }

  /** The settings have changed. */
  settingsChanged(): void {
    this.#service.keep();
    this.#handover.settingsChanged();
    this.#switchboard?.settingsChanged();
  }

  /** The page was asleep, or hidden, and may have missed that the network has changed. */
  woke(): void {
    this.#service.hurry();
    this.#switchboard?.calls.check();
    if (this.login !== undefined) void this.#prove(); // A page that stays open may outlive its certificate.
  }

  get service(): ServiceState {
    return this.#service.state;
  }

  /** What keeps this page from the service, if the page has found it out. */
  get obstacle(): Phrase | undefined {
    return this.#service.obstacle;
  }

  /** Whether the service is ready: connected and logged in, so that others can be called. */
  get serviceReady(): boolean {
    return this.#service.ready;
  }

  /** The login, once joined. */
  get login(): string | undefined {
    return this.#switchboard === undefined ? undefined : this.#service.login;
  }

  /** All conversations, the one with the newest entry first. */
  get conversations(): LiveConversation[] {
    return this.#account?.conversations ?? [];
  }

  /** The conversation that the person has chosen to see. */
  get front(): LiveConversation | undefined {
    return this.#account?.front;
  }

  /** Who waits to be accepted, oldest first. */
  get requests(): readonly Request[] {
    return this.#switchboard?.calls.requests ?? [];
  }

  /** How many messages the person has not seen, in all conversations. */
  get unread(): number {
    return this.conversations.reduce((sum, { unread }) => sum + unread, 0);
  }

  /** Whether something would be lost if the page were closed now. */
  get undelivered(): boolean {
    const { keeping } = this.options.keeper;
    return this.conversations.some(({ undelivered, transfers }) => (undelivered && !keeping) || transfers?.active === true);
  }

  /** The person has opened a link with a token. @param token "": it cannot be one */
  takeToken(token: string): void {
    if (token === "") return this.#warn(phrase("tokenDamaged"));
    this.#alerts.tokenTaken();
    this.#service.takeToken(token);
    this.#changed();
  }

  /** Joins under a login. */
  async join(typed: string): Promise<void> {
    const login = typed.trim();
    if (this.joining || this.login !== undefined) return;
    if (login === "") return this.#warn(phrase("typeLogin"));
    if (login.length > MAX_LOGIN_LENGTH) return this.#warn(phrase("loginTooLong"));
    this.alert = undefined;
    await this.#enter(login, () => this.#service.join(login));
  }

  /** Goes on where the page before in this tab was, if that has kept its session: a reload is a drop. */
  async resume(): Promise<void> {
    const { left } = this.#handover;
    if (left === undefined) return;
    const { session, open } = left;
    if (left.givenUp) {
      this.#service.setToken(undefined);
      return this.#handover.keep(undefined);
    }
    if (!(await this.#handover.claim(session))) {
      // This tab is a copy of another one, which keeps the login.
      this.#handover.keep(undefined);
      if (!this.joining) this.#warn(phrase("stopTakenOver"));
      return;
    }
    this.#resuming = session;
    if (this.joining) return this.#giveBack(); // The person was faster, and has typed a login.
    await this.#enter(session.login, () => ({ joined: true }), open);
    if (this.#resuming !== undefined) this.#service.resume(session);
  }

  /** If the session of the page before has yet to be taken over, gives it up. Otherwise it would hold its login against this page. */
  #giveBack(): void {
    const session = this.#resuming;
    if (session === undefined) return;
    this.#handover.giveUp();
    this.#service.resume(session);
    this.#leave();
  }

  /** @param ask asks the service for the login */
  async #enter(login: string, ask: () => JoinResult | Promise<JoinResult>, { front, open }: OpenConversations = NOTHING_OPEN): Promise<void> {
    const key = loginKey(login);
    const before = this.#account?.key === key ? this.#account : undefined;
    const account = before ?? new Account(key, this.#host);
    // A session that is given up comes first.
    const load = () => this.#handover.claimed.then(() => before?.refresh() ?? account.load());
    const joined = this.#join.begin({ prove: () => this.#prove(), load, ask });
    this.#changed();
    const result = await joined;
    if (result === undefined) return;
    if (result.joined) {
      if (this.#account !== account) void this.#account?.close();
      this.#account = account;
      this.#switchboard = new Switchboard(login, account, this.#host);
      account.joined();
      for (const one of open) this.#switchboard.restore(one);
      if (front !== undefined) account.show(account.find(front));
    } else this.#warn(refusal(login, result));
    this.#changed();
  }

  /** Whether a Join waits until the device has been read. */
  get waitsForDevice(): boolean {
    return this.#join.waitsForDevice;
  }

  /** The device can be read and written again. It gets what it does not have. @param fresh it has lost everything */
  async deviceBack(fresh: boolean): Promise<void> {
    const { identity, contacts } = this.options;
    const own = await identity.writeAgain();
    if (this.#identity !== undefined && own !== undefined) this.#identity = own;
    await contacts.writeAgain();
    await this.#switchboard?.recognition.readAgain();
    await this.#account?.writeAgain(fresh);
    this.#changed();
  }

  /** Whether a Join is under way. */
  get joining(): boolean {
    return this.#join.on;
  }

  /** Gives up the Join that is under way. */
  cancelJoin(): void {
    this.#join.cancel();
    this.#service.cancelJoin();
    this.#giveBack();
    this.#changed();
  }

  async #prove(): Promise<void> {
    this.#identity = await this.options.identity.own();
  }

  /** Ends every conversation and gives the login up. */
  signOut(): void {
    this.#handover.giveUp();
    this.#leave();
    this.#service.setToken(undefined);
  }

  #leave(): void {
    this.#resuming = undefined;
    this.#switchboard?.end();
    this.#switchboard = undefined;
    this.#service.leave();
    this.#account?.signedOut();
    this.#alerts.accepted();
    this.#warn(undefined);
  }

  /** The page is going away. Tells the others while it can. */
  leavePage(): void {
    if (this.#service.window === 0) this.#switchboard?.end();
    // The next page in this tab cannot go on with the session.
    else if (!this.#handover.possible) this.#leave();
    else {
      this.#service.keep();
      this.#handover.unload();
      this.#switchboard?.calls.unload();
    }
  }

  /** The page comes back as it was. Returns false if another page has gone on with its session. */
  async comeBack(): Promise<boolean> {
    if (this.#handover.unloading && !(await this.#handover.comeBack())) return false;
    this.options.settings.reread(); // A page that was put aside is told of no change.
    this.woke();
    await this.refresh();
    return true;
  }

  /** Signs out and forgets all conversations in this page. The caller deletes what the device keeps. Resolves when files are deleted. */
  async forget(): Promise<void> {
    if (this.joining) this.cancelJoin();
    this.signOut();
    const closed = this.#account?.close();
    this.#account = undefined;
    this.#changed();
    await closed;
  }

  /** Whether the device keeps this browser's identity. It is undefined until that is known. */
  get identityKept(): boolean | undefined {
    return this.#identity?.kept;
  }

  /** Makes a new identity and ends all calls. */
  async renewIdentity(): Promise<void> {
    try {
      await this.options.identity.renew();
    } catch {
      return this.#warn(phrase("deviceFailed"));
    }
    if (this.login !== undefined) await this.#prove();
    this.#switchboard?.calls.end(); // Those that began meanwhile have the identity of before, too.
    this.#changed();
  }

  /** Whether the person looks at the page. */
  attend(attended: boolean): void {
    if (attended === this.#attended) return;
    this.#attended = attended;
    if (this.front !== undefined) this.#account?.seen(this.front);
    this.#changed();
  }

  /** Brings a conversation to the front, or none. A notification may ask for one that is gone, or after Sign out. */
  show(conversation: LiveConversation | undefined): void {
    if (this.#switchboard !== undefined) this.#account?.show(conversation);
    this.#changed();
  }

  /** The person has read the alert. */
  dismissAlert(): void {
    this.#alerts.dismiss();
    this.#changed();
  }

  /** Calls somebody and brings the conversation to the front. */
  connect(typed: string): void {
    this.#switchboard?.connect(typed);
  }

  /** Ends the call of a conversation, or stops restoring it. */
  hangUp(conversation: LiveConversation): void {
    this.#switchboard?.hangUp(conversation);
  }

  /** Accepts somebody who waits. */
  accept(request: Request): void {
    this.#switchboard?.accept(request);
  }

  /** Declines somebody who waits. */
  decline(request: Request): void {
    this.#switchboard?.decline(request);
  }

  /** Takes no more calls of this login, and ends what is on with it. */
  block(peer: string): void {
    this.options.settings.block(loginKey(peer), true);
    this.#switchboard?.blocked(peer);
    this.#changed();
  }

  /** Takes calls of this login again. */
  unblock(peer: string): void {
    this.options.settings.block(loginKey(peer), false);
  }

  /** Who is at the other end, and whom the person trusts. It is there from Join to Sign out. */
  get recognition(): Pick<Recognition, "goOn" | "verify" | "keeps"> | undefined {
    return this.#switchboard?.recognition;
  }

  /** What is typed while no conversation is in front. */
  get draft(): string {
    return this.#account?.draft ?? "";
  }

  set draft(text: string) {
    if (this.#account !== undefined) this.#account.draft = text;
  }

  /** What the person has typed so far in front. */
  type(text: string): void {
    this.#account?.type(text);
  }

  /** Sends a text in the front conversation. Returns false if it cannot be sent now; then it stays in its field. */
  send(text: string): boolean {
    if (text === "") return false;
    const { front } = this;
    const refused = whyNotSent(text, front);
    if (refused !== undefined) {
      if (refused.key === "nobodyYet" && this.#account !== undefined) this.#account.writing = false;
      this.#warn(refused);
      return false;
    }
    this.alert = undefined;
    this.#account?.send(front!, this.login ?? "", text);
    return true;
  }

  /** The files of a conversation. */
  transfers(conversation: LiveConversation): Transfers {
    return this.#account!.transfers(conversation);
  }

  /** The files of the front conversation. It is undefined while no files can pass. */
  get files(): Transfers | undefined {
    const { front } = this;
    return front?.call?.phase === "open" && !front.call.bare ? this.transfers(front) : undefined;
  }

  /** Offers files in the front conversation, and says which were left out. */
  attach(attachments: Attachments): void {
    const { front } = this;
    if (front?.call?.phase !== "open") return this.#warn(phrase("nobodyYetForFiles"));
    const { files, said } = offerable(attachments, front.peer, this.files?.peerLimit);
    for (const file of files) this.#account?.offer(front, this.login ?? "", file);
    this.#warn(said);
  }

  /** Loads older entries of a conversation from the device. */
  async showEarlier(conversation: LiveConversation): Promise<void> {
    await this.#account?.showEarlier(conversation);
  }

  /** Takes what has been written to the device by anybody but this page. */
  async refresh(): Promise<void> {
    await this.#account?.refresh();
    this.#changed();
  }

  /** Deletes a conversation, here and on the device. A call that is on ends. */
  async delete(conversation: LiveConversation): Promise<void> {
    this.#switchboard?.deleted(conversation);
    await this.#account?.delete(conversation);
  }

  #warn(said: Phrase | undefined): void {
    this.alert = said;
    this.#changed();
  }
}
