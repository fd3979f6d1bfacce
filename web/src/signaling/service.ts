import { type Phrase, phrase } from "../words.js";
import { Backoff } from "./backoff.js";
import { type Outgoing, type ServiceError, type PeerFrame, isRelayUrl, parseFrame } from "./frames.js";
import { loginKey } from "./logins.js";

/** How long a connection must last before it counts as one that holds, in ms. */
const HOLDS_AFTER = 10_000;
/** How long a person waits for the answer to Join, in ms. */
const JOIN_TIMEOUT = 10_000;
/** How long one attempt to connect may take, in ms. */
const CONNECT_TIMEOUT = 10_000;

/** ICE servers with credentials are good for an hour; they are renewed a while before, in ms. */
const RENEW_ICE_SERVERS = 50 * 60_000;

/** So many logins may be watched (messages/PROTOCOL.md, "Presence") … */
const MAX_WATCHED = 256;
/** … and so long may they be together, in bytes: a message of more than 64 KiB would end the connection. */
const MAX_WATCHED_BYTES = 32 * 1024;
/** How long the service may take to say anything after the device's network has changed, in ms. */
const PROBE_TIMEOUT = 5_000;
/** The least that this page waits before it connects again, whatever the service asks for, in ms. */
const MIN_RETRY = 250;

/** Where the connection to the service stands. */
export type ServiceState =
  | { kind: "connecting" }
  | { kind: "connected" }
  /** Waits before the next attempt; `until` is a `Date.now()`. */
  | { kind: "waiting"; until: number }
  /** Does not come back by itself. `reason` is for people. */
  | { kind: "stopped"; reason: Phrase };

/** `reason`: why, where it is this page that knows. */
export type JoinResult = { joined: true } | { joined: false; code: string; message: string; reason?: Phrase };

export interface ServiceListener {
  /** The state of the connection has changed. */
  stateChanged(): void;
  /** A frame from another client, or an error; in the order in which they came. */
  received(frame: PeerFrame | ServiceError): void;
  /** The service has said of these logins whether they are there. */
  presence(online: readonly string[], offline: readonly string[]): void;
  /** After a reconnect the service refused the login that was held before; it is tried again. */
  loginLost(code: string): void;
  /** After a reconnect the login that was held before is held again. */
  loginRegained(): void;
}

type LoginWaiter = (result: JoinResult) => void;

/**
 * The page's connection to the service. It opens at once, comes back whenever it drops, and logs in again
 * by itself. It lives as long as the page.
 */
export class ServiceConnection {
  /** The login that this connection holds, or takes again after a reconnect. */
  login: string | undefined;

  #state: ServiceState = { kind: "connecting" };
  #socket: WebSocket | undefined;
  #loggedIn = false;
  /** One entry for each login frame that is under way on this socket, oldest first. */
  #replies: LoginWaiter[] = [];
  /** Logouts that followed a login which the service then refused; it answers each with an error. */
  #vainLogouts = 0;
  #joining: { login: string; finish: LoginWaiter } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #holdTimer: ReturnType<typeof setTimeout> | undefined;
  #probeTimer: ReturnType<typeof setTimeout> | undefined;
  #loginTimer: ReturnType<typeof setTimeout> | undefined;
  #iceServers: readonly RTCIceServer[] = [];
  #iceTimer: ReturnType<typeof setTimeout> | undefined;
  /** Logins whose presence is asked for. */
  #watched: readonly string[] = [];
  /** What the service, on this socket, thinks of being asked: it was not, an answer is due, or it does not know presence. */
  #presence: "unasked" | "asked" | "unknown" = "unasked";
  #watchScheduled = false;
  /** Times that the service, on this socket, was asked and has not answered. */
  #asked = 0;
  readonly #loginBackoff = new Backoff(1_000, 30_000);

  constructor(
    private readonly url: string,
    private readonly listener: ServiceListener,
    private readonly backoff: Backoff = new Backoff(),
  ) {}

  get state(): ServiceState {
    return this.#state;
  }

  /** Whether frames for others can be sent now. */
  get ready(): boolean {
    return this.#loggedIn;
  }

  /** The servers that the service offers for finding a way to others (RFC 8445). */
  get iceServers(): RTCIceServer[] {
    return [...this.#iceServers];
  }

  /** Whether one of them is a relay. */
  get relayed(): boolean {
    return this.#iceServers.some(({ urls }) => [urls].flat().some(isRelayUrl));
  }

  /** Says whose presence is of interest, the most important first; those before are of none any more. */
  watch(logins: readonly string[]): void {
    const bytes = new TextEncoder();
    let room = MAX_WATCHED_BYTES;
    const first = logins.slice(0, MAX_WATCHED).filter((login) => (room -= bytes.encode(JSON.stringify(login)).length) >= 0);
    const keys = (all: readonly string[]) => JSON.stringify(all.map(loginKey).sort());
    if (keys(first) === keys(this.#watched)) return;
    this.#watched = first;
    this.#sendWatch();
  }

  /** Asks for presence, once what happens now is over. */
  #sendWatch(): void {
    if (this.#watchScheduled) return;
    this.#watchScheduled = true;
    queueMicrotask(() => {
      this.#watchScheduled = false;
      const socket = this.#socket;
      if (!this.#loggedIn || socket?.readyState !== WebSocket.OPEN || this.#presence === "unknown") return;
      if (this.#watched.length === 0 && this.#presence === "unasked") return;
      this.#presence = "asked";
      this.#ask(socket);
    });
  }

  #ask(socket: WebSocket): void {
    this.#asked++;
    socket.send(JSON.stringify({ type: "watch", logins: this.#watched }));
  }

  /** Connects now, whether the next attempt was due or the connection had been given up. */
  connect(): void {
    if (this.#socket !== undefined) return;
    clearTimeout(this.#timer);
    this.#setState({ kind: "connecting" });
    let socket: WebSocket;
    try {
      socket = new WebSocket(this.url);
    } catch {
      this.#setState({ kind: "stopped", reason: phrase("stopAddress", this.url) });
      return;
    }
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#drop(socket), CONNECT_TIMEOUT);
    socket.onopen = () => this.#opened(socket);
    socket.onmessage = (event) => {
      if (socket === this.#socket && typeof event.data === "string") this.#received(event.data);
    };
    socket.onclose = (event) => this.#closed(socket, event.code, event.reason);
  }

  /**
   * The device's network has changed: makes the next attempt now, if one is due, and finds out whether a connection that seems to be
   * there still carries anything. Nobody tells a browser when one does not.
   */
  hurry(): void {
    if (this.#state.kind === "waiting") this.connect();
    const socket = this.#socket;
    if (!this.#loggedIn || socket?.readyState !== WebSocket.OPEN) return;
    this.#ask(socket); // It is answered in any case: with presence or an error.
    clearTimeout(this.#probeTimer);
    this.#probeTimer = setTimeout(() => this.#drop(socket), PROBE_TIMEOUT);
  }

  /** Asks for a login. A further call for one that is under way is the same request. */
  join(login: string): Promise<JoinResult> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        const socket = this.#socket;
        const open = socket?.readyState === WebSocket.OPEN;
        finish({ joined: false, code: open ? "no-reply" : "unreachable", message: "" });
        // A late answer would give this page a login that it no longer asks for.
        if (open && socket !== undefined) this.#drop(socket);
      }, JOIN_TIMEOUT);
      const finish = (result: JoinResult) => {
        clearTimeout(timer);
        this.#joining = undefined;
        resolve(result);
      };
      this.#joining = { login, finish };
      if (this.#socket?.readyState === WebSocket.OPEN) this.#sendLogin();
      else this.connect();
    });
  }

  /** Gives the login up. The connection stays. */
  leave(): void {
    const { login } = this;
    clearTimeout(this.#loginTimer);
    const held = this.#loggedIn || this.#replies.length > 0;
    this.login = undefined;
    this.#loggedIn = false;
    if (held && login !== undefined && this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify({ type: "logout", login }));
    }
    this.listener.stateChanged();
  }

  /** Sends a frame to another client. Returns it as sent; undefined: there is no login now, and it is not sent. */
  send(frame: Outgoing): string | undefined {
    if (!this.#loggedIn || this.#socket?.readyState !== WebSocket.OPEN) return undefined;
    const text = JSON.stringify({ ...frame, from: this.login });
    this.#socket.send(text);
    return text;
  }

  #offered(iceServers: RTCIceServer[]): void {
    this.#iceServers = iceServers;
    clearTimeout(this.#iceTimer);
    if (!iceServers.some(({ credential }) => credential !== undefined)) return;
    this.#iceTimer = setTimeout(() => {
      if (this.#loggedIn) this.#socket?.send(JSON.stringify({ type: "ice-servers" }));
    }, RENEW_ICE_SERVERS);
  }

  #setState(state: ServiceState): void {
    this.#state = state;
    this.listener.stateChanged();
  }

  #opened(socket: WebSocket): void {
    if (socket !== this.#socket) return;
    clearTimeout(this.#timer);
    this.#holdTimer = setTimeout(() => this.backoff.reset(), HOLDS_AFTER);
    this.#setState({ kind: "connected" });
    this.#sendLogin();
  }

  /** Sends the login that is wanted: the one that a person asks for now, or the one held before the drop. */
  #sendLogin(): void {
    clearTimeout(this.#loginTimer);
    const socket = this.#socket;
    const joining = this.#joining;
    const login = joining?.login ?? this.login;
    if (socket === undefined || login === undefined) return;
    this.#replies.push((result) => {
      if (joining !== undefined) {
        if (this.#joining !== joining) return;
        if (result.joined) this.#accepted(login);
        joining.finish(result);
      } else if (this.login === login) {
        if (result.joined) {
          this.#accepted(login);
          this.listener.loginRegained();
        } else this.#loginRefused(result.code);
      } else if (!result.joined) this.#vainLogouts++; // Signed out before this reply came.
    });
    socket.send(JSON.stringify({ type: "login", login }));
  }

  #accepted(login: string): void {
    this.login = login;
    this.#loggedIn = true;
    this.#loginBackoff.reset();
    this.listener.stateChanged();
    this.#sendWatch();
  }

  /**
   * The service may hold the login for the connection that dropped until it notices the drop itself, so it
   * is asked again.
   */
  #loginRefused(code: string): void {
    this.#loginTimer = setTimeout(() => this.#sendLogin(), 1_000 + this.#loginBackoff.next());
    this.listener.loginLost(code);
  }

  #received(data: string): void {
    clearTimeout(this.#probeTimer);
    const frame = parseFrame(data);
    if (frame === undefined) return;
    if (frame.type === "login") {
      const reply = this.#replies.shift();
      if (reply !== undefined) {
        if (frame.success) this.#offered(frame.iceServers);
        reply(frame.success ? { joined: true } : { joined: false, code: frame.code, message: frame.message });
      } else if (frame.success && this.#socket !== undefined) {
        // A login that this page does not ask for any more is given back with the connection.
        this.#drop(this.#socket);
      }
    } else if (frame.type === "ice-servers") {
      // One that comes unasked after Sign out is of no use; the next Join brings its own.
      if (this.#loggedIn) this.#offered(frame.iceServers);
    } else if (frame.type === "presence") {
      this.#asked = 0; // It knows presence.
      if (this.#presence === "asked") this.listener.presence(frame.online, frame.offline);
    } else if (frame.type === "error" && frame.code === "unknown-type" && frame.to === undefined && this.#asked > 0) {
      this.#asked--;
      this.#presence = "unknown"; // There is none; nobody needs to hear of it.
    } else if (frame.type === "error" && frame.code === "not-logged-in" && this.#vainLogouts > 0) {
      this.#vainLogouts--;
    } else if (frame.type === "error" && frame.code === "malformed" && frame.to === undefined && this.#replies.length > 0) {
      // The service could not even read the login, so that it did not see one to refuse.
      this.#replies.shift()!({
        joined: false,
        code: frame.code,
        message: "",
      });
    } else this.listener.received(frame.type === "error" ? frame : { ...frame, text: data });
  }

  /** Lets go of a socket without waiting for its close event. */
  #drop(socket: WebSocket): void {
    socket.close();
    this.#closed(socket, 1006, "");
  }

  #closed(socket: WebSocket, code: number, reason: string): void {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    this.#loggedIn = false;
    this.#replies = [];
    this.#vainLogouts = 0;
    this.#presence = "unasked";
    this.#asked = 0;
    clearTimeout(this.#timer);
    clearTimeout(this.#holdTimer);
    clearTimeout(this.#probeTimer);
    clearTimeout(this.#loginTimer);
    clearTimeout(this.#iceTimer);
    const stop = stopReason(code);
    if (stop !== undefined) {
      this.#joining?.finish({ joined: false, code: "stopped", message: "", reason: stop });
      this.#setState({ kind: "stopped", reason: stop });
      return;
    }
    const wait = retryAfter(reason) ?? this.backoff.next();
    this.#timer = setTimeout(() => this.connect(), wait);
    this.#setState({ kind: "waiting", until: Date.now() + wait });
  }
}

/** The wait in ms that the service asks for in a close reason (`retry=2300`), within reason: an hour at most. */
function retryAfter(reason: string): number | undefined {
  const match = /^retry=(\d{1,7})$/u.exec(reason);
  return match === null ? undefined : Math.min(Math.max(Number(match[1]), MIN_RETRY), 3_600_000);
}

/** Why a client must not come back by itself after this close code; undefined: it should. */
export function stopReason(code: number): Phrase | undefined {
  switch (code) {
    case 1000:
      return phrase("stopEnded");
    case 1002:
    case 1003:
    case 1007:
    case 1009:
      return phrase("stopMisunderstood");
    case 1008:
      return phrase("stopRefused");
    case 4100:
      return phrase("stopTakenOver");
    default:
      // Codes of later versions of the service.
      return code >= 4101 && code <= 4199 ? phrase("stopForGood") : undefined;
  }
}
