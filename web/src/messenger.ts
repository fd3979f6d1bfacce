import type { Call, CallEnd, CallListener } from "./call.js";
import { Calls } from "./calls.js";
import { Correspondence, type Letter } from "./correspondence.js";
import { MAX_TEXT_BYTES } from "./framing.js";
import { freshId } from "./ids.js";
import { loginKey } from "./logins.js";
import { ServiceConnection, type ServiceState } from "./service.js";
import { type Store, openStore } from "./sinks.js";
import { size } from "./files.js";
import { type Transfer, Transfers } from "./transfers.js";

/** Where an own message is. `sent`: on its way to a client that confirms nothing. */
export type Delivery = "sending" | "delivered" | "sent";

/** One line of the discussion. */
export type Entry = { time: Date } & (
  | { kind: "own"; author: string; text: string; delivery: Delivery }
  | { kind: "received"; author: string; text: string }
  | { kind: "file"; author: string; peer: string; transfer: Transfer; files: Transfers }
  | { kind: "note"; text: string }
);

/** What outlasts a Sign out, for the next Join under the same login. */
interface Account {
  key: string;
  instance: string;
  correspondences: Map<string, Correspondence>;
  transfers: Map<string, Transfers>;
  entries: Entry[];
}

/**
 * What the page is about, without a view: the login, the call, the discussion and what must be said to the
 * person. The view shows it and calls its methods; `changed` tells it to look again.
 */
export class Messenger {
  /** What a person must know now, in words; undefined: nothing. */
  alert: string | undefined;
  /** A Join is under way. */
  joining = false;

  readonly #service: ServiceConnection;
  #account: Account | undefined;
  #calls: Calls | undefined;
  /** What was said about a login that the service refused after a reconnect. */
  #loginAlert: string | undefined;
  #store: Promise<Store> | undefined;
  readonly #letters = new Map<Letter, Entry & { kind: "own" }>();

  constructor(
    url: string,
    private readonly changed: () => void,
  ) {
    this.#service = new ServiceConnection(url, {
      stateChanged: () => this.changed(),
      received: (frame) => {
        if (frame.type !== "error") {
          this.#calls?.receive(frame);
          this.changed(); // A call may have come in, or been answered.
        } else if (this.#calls?.refused(frame) !== true && frame.to === undefined) this.#warn(frame.message);
      },
      loginLost: (code) => {
        this.#loginAlert =
          code === "login-taken"
            ? `${this.login ?? ""} is already in use. If it stays so, sign out and join under another login.`
            : "The service has refused this login after a reconnect. It is tried again.";
        this.#warn(this.#loginAlert);
      },
      loginRegained: () => {
        if (this.alert === this.#loginAlert) this.alert = undefined;
        this.changed();
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

  /** The device has a network again. */
  online(): void {
    this.#service.hurry();
  }

  get service(): ServiceState {
    return this.#service.state;
  }

  /** The login, once joined. */
  get login(): string | undefined {
    return this.#calls === undefined ? undefined : this.#service.login;
  }

  /** The call that is on or being set up. */
  get call(): Call | undefined {
    return this.#calls?.current;
  }

  get entries(): readonly Entry[] {
    return this.#account?.entries ?? [];
  }

  /** Whether a message or a file still waits to be delivered. */
  get undelivered(): boolean {
    return this.#letters.size > 0 || [...(this.#account?.transfers.values() ?? [])].some(({ active }) => active);
  }

  /** The files between this page and the one that is connected. */
  get files(): Transfers | undefined {
    return this.call?.phase === "open" && !this.call.bare ? this.#transfers(this.call.peer) : undefined;
  }

  async join(typed: string): Promise<void> {
    const login = typed.trim();
    if (this.joining || this.login !== undefined) return;
    if (login === "") return this.#warn("Please type the login that you want to have.");
    this.alert = undefined;
    this.joining = true;
    this.changed();
    const result = await this.#service.join(login);
    this.joining = false;
    if (result.joined) this.#joined(login);
    else if (result.code === "login-taken" || result.message === "") {
      // A service of the original protocol gives no reason: there is only this one.
      this.#warn(`${login} is already in use. Please choose another login.`);
    } else this.#warn(result.message);
    this.changed();
  }

  /** Ends every conversation and gives the login up. */
  signOut(): void {
    this.#calls?.end();
    this.#calls = undefined;
    this.#service.leave();
    this.alert = undefined;
    this.changed();
  }

  /** Calls somebody, unless a call with them is there already: theirs came first, or the button was pressed twice. */
  connect(typed: string): void {
    const peer = typed.trim();
    const me = this.login;
    const current = this.call;
    if (this.#calls === undefined || me === undefined) return;
    if (peer === "") {
      if (current === undefined) this.#warn("Please type the login of the person to connect to.");
    } else if (loginKey(peer) === loginKey(me)) {
      this.#warn("That is you. Please type the login of somebody else.");
    } else if (current !== undefined) {
      if (loginKey(current.peer) === loginKey(peer)) return;
      this.#warn(
        current.phase === "open"
          ? `You are connected to ${current.peer}. Disconnect first, then connect to ${peer}.`
          : `A connection to ${current.peer} is being set up. Please wait for it, or cancel it.`,
      );
    } else if (!this.#service.ready) {
      this.#warn("The service cannot be reached now. Please try again when it is back.");
    } else {
      this.alert = undefined;
      this.#calls.call(peer);
      this.changed();
    }
  }

  /** Ends the call `call`, if it is still on. */
  disconnect(call: Call): void {
    call.end("hung-up", "left");
  }

  /** Sends a text. False: it was not taken, and stays with the person. */
  send(text: string): boolean {
    if (text.trim() === "") return false;
    const call = this.call;
    if (call === undefined || call.phase !== "open" || this.#account === undefined) {
      this.#warn("Nobody is connected yet. Your message is kept here; connect to somebody, then send it.");
      return false;
    }
    // A UTF-16 unit takes 3 bytes of UTF-8 at most.
    if (text.length * 3 > MAX_TEXT_BYTES && new TextEncoder().encode(text).length > MAX_TEXT_BYTES) {
      this.#warn("This message is too long: 16 MB is the most. Please send it in parts.");
      return false;
    }
    const letter = this.#correspondence(call.peer).post(text);
    const entry: Entry & { kind: "own" } = {
      kind: "own",
      time: new Date(),
      author: this.login ?? "",
      text,
      delivery: "sending",
    };
    this.#letters.set(letter, entry);
    this.#account.entries.push(entry);
    this.alert = undefined;
    call.flush();
    this.changed();
    return true;
  }

  /** Offers files to whom is connected. */
  attach(files: readonly File[]): void {
    const peer = this.call?.peer;
    const transfers = this.files;
    if (peer === undefined || this.call?.phase !== "open") {
      return this.#warn("Nobody is connected yet. Connect to somebody, then attach the file.");
    }
    if (transfers?.peerLimit === undefined) return this.#warn(`The page of ${peer} takes no files.`);
    this.alert = undefined;
    for (const file of files) {
      if (file.size > transfers.peerLimit) {
        const limit = size(transfers.peerLimit, "en");
        this.#warn(`${file.name} (${size(file.size, "en")}) is too large: the browser of ${peer} takes files up to ${limit} now.`);
        continue;
      }
      const transfer = transfers.offer(file, file.name);
      this.#account?.entries.push({ kind: "file", time: new Date(), author: this.login ?? "", peer, transfer, files: transfers });
    }
    this.changed();
  }

  /** The person has read the alert. */
  dismissAlert(): void {
    this.alert = undefined;
    this.changed();
  }

  /** The page is going away: tells the others while it can. */
  leavePage(): void {
    this.#calls?.end();
  }

  #joined(login: string): void {
    const key = loginKey(login);
    if (this.#account?.key !== key) {
      this.#letters.clear();
      for (const transfers of this.#account?.transfers.values() ?? []) transfers.close();
      this.#account = { key, instance: freshId(), correspondences: new Map(), transfers: new Map(), entries: [] };
    }
    this.#calls = new Calls({
      me: login,
      configuration: {},
      send: (frame) => void this.#service.send(frame),
      correspondence: (peer) => this.#correspondence(peer),
      listener: this.#callListener(),
    });
  }

  #correspondence(peer: string): Correspondence {
    const account = this.#account!;
    const key = loginKey(peer);
    let correspondence = account.correspondences.get(key);
    if (correspondence === undefined) {
      correspondence = new Correspondence(account.instance);
      account.correspondences.set(key, correspondence);
    }
    return correspondence;
  }

  #transfers(peer: string): Transfers {
    const account = this.#account!;
    const key = loginKey(peer);
    let transfers = account.transfers.get(key);
    if (transfers === undefined) {
      this.#store ??= openStore(freshId());
      const files: Transfers = new Transfers(this.#store, {
        offered: (transfer) => {
          account.entries.push({ kind: "file", time: new Date(), author: peer, peer, transfer, files });
          this.changed();
        },
        changed: () => this.changed(),
        limitChanged: () => this.changed(),
      });
      account.transfers.set(key, files);
      transfers = files;
    }
    return transfers;
  }

  #callListener(): CallListener {
    return {
      opened: (call) => {
        this.alert = undefined;
        if (!call.bare) call.carry(this.#transfers(call.peer));
        this.#note(`Connected to ${call.peer}`);
      },
      received: (call, text) => {
        this.#account?.entries.push({ kind: "received", time: new Date(), author: call.peer, text });
        this.changed();
      },
      delivered: (_call, letters) => this.#mark(letters, "delivered"),
      sent: (_call, letters) => this.#mark(letters, "sent"),
      ended: (call, end) => this.#ended(call, end),
    };
  }

  #mark(letters: Letter[], delivery: Delivery): void {
    for (const letter of letters) {
      const entry = this.#letters.get(letter);
      if (entry !== undefined) entry.delivery = delivery;
      this.#letters.delete(letter);
    }
    this.changed();
  }

  #ended(call: Call, end: CallEnd): void {
    const { peer } = call;
    if (call.wasOpen) this.alert = undefined;
    switch (end) {
      case "hung-up":
        this.#note(call.wasOpen ? `You disconnected from ${peer}` : `You cancelled the call to ${peer}`);
        return;
      case "left":
        this.#note(call.wasOpen || call.outgoing ? `${peer} left` : `${peer} cancelled the call`);
        return;
      case "superseded":
        if (call.wasOpen) this.#note(`${peer} left`);
        else this.changed();
        return;
      case "lost":
        this.#note(`${peer} left: the connection was lost`);
        return;
      case "garbled":
        this.#note(`Disconnected from ${peer}: what came from there could not be read`);
        return;
      case "unavailable":
        return this.#warn(`${peer} is not here. Check the spelling, or try again later.`);
      case "undeliverable":
        return this.#warn(`The service could not pass the call on to ${peer}. Please try again in a moment.`);
      case "unreadable":
        return this.#warn(`Nobody can have the login ${peer}: it has a character in it that no login may have. Check the spelling.`);
      case "busy":
        return this.#warn(`${peer} is busy in another conversation. Please try again later.`);
      case "declined":
        return this.#warn(`${peer} declined.`);
      case "no-answer":
        return this.#warn(`${peer} did not answer. Please try again later.`);
      case "no-connection":
        return this.#warn(`No direct connection to ${peer} could be made. Please try again.`);
    }
  }

  #note(text: string): void {
    this.#account?.entries.push({ kind: "note", time: new Date(), text });
    this.changed();
  }

  #warn(text: string): void {
    this.alert = text;
    this.changed();
  }
}
