import { type Phrase, phrase } from "../words.js";
import { Backoff } from "./backoff.js";
import { type Outgoing, type ServiceError, type PeerFrame, isRelayUrl, parseFrame } from "./frames.js";
import { Liveness } from "./liveness.js";
import { loginKey } from "./logins.js";

/** How long a connection must last until the back-off starts again from its shortest wait, in ms. */
const HOLDS_AFTER = 10_000;
/** How long a person waits for the answer to Join, in ms. */
const JOIN_TIMEOUT = 10_000;
/** How long one attempt to connect may take, in ms. */
const CONNECT_TIMEOUT = 10_000;
/**
 * The same while somebody waits for the service, in ms. TCP sends its SYN again after 1, 3, 7 and 15 s (RFC 6298), so that an attempt
 * which began while the network was away goes on late.
 */
const URGENT_CONNECT_TIMEOUT = 5_000;
/** How long the service may hold a login for an earlier connection of this page before a person hears of it, in ms. */
const LOGIN_HELD = 8_000;

/** When ICE servers with credentials are renewed, in ms. The credentials are valid for an hour. */
const RENEW_ICE_SERVERS = 50 * 60_000;
/** When they are asked for again after the service had none to offer, in ms. Those of before are valid for some minutes more. */
const RENEW_AGAIN = 3 * 60_000;

/** How many logins may be watched (messages/PROTOCOL.md, "Presence") … */
const MAX_WATCHED = 256;
/** … and how long they may be together, in bytes. A message of more than 64 KiB would end the connection. */
const MAX_WATCHED_BYTES = 32 * 1024;
/** While somebody waits for the service, the longest wait before the next attempt to connect, in ms … */
const URGENT_RETRY = 2_000;
/** … and before the login is asked for again … */
const URGENT_LOGIN = 1_000;
/** … so many times. After twenty refusals in a row the service would end the connection (messages/PROTOCOL.md, "Framing"). */
const URGENT_LOGINS = 10;
/** An attempt to connect that began before the network changed is given up if it has taken this long, in ms. */
const STALE_ATTEMPT = 1_000;
/** After this many connections on which no ping was answered, the page takes the service for one that answers none. */
const MAX_MUTE = 2;
/** After this many attempts in a row that came to nothing, the page looks for what is in the way, … */
const LOOK_AFTER = 2;
/** … and after every so many more. */
const LOOK_EVERY = 3;
/** The shortest wait before this page connects again, even if the service asks for a shorter one, in ms. */
const MIN_RETRY = 250;

/** The state of the connection to the service. */
export type ServiceState =
  | { kind: "connecting" }
  | { kind: "connected" }
  /** The next attempt comes at `until`, in ms of `performance.now()`. */
  | { kind: "waiting"; until: number }
  /** The page does not connect again by itself. `reason` is for people. */
  | { kind: "stopped"; reason: Phrase };

/** `reason` is set if this page knows the reason itself. */
export type JoinResult = { joined: true } | { joined: false; code: string; message: string; reason?: Phrase };

export interface ServiceListener {
  /** `state`, `ready` or `login` has changed. */
  stateChanged(): void;
  /** A frame from another client has come, or an error. They come in order. */
  received(frame: PeerFrame | ServiceError): void;
  /** The service has said which of the watched logins are there. */
  presence(online: readonly string[], offline: readonly string[]): void;
  /** After a reconnect the service refuses the login that this page held before. The page asks again. */
  loginLost(code: string): void;
  /** After a reconnect this page holds its login again. */
  loginRegained(): void;
  /** The service has answered after a doubt. */
  answered(): void;
  /** Whether somebody waits for the service now, such as a call that was lost. The page connects again sooner then. */
  urgent(): boolean;
}

type Timer = ReturnType<typeof setTimeout> | undefined;

type LoginWaiter = (result: JoinResult) => void;

/** One WebSocket, and everything that holds only on it. It is dropped as a whole. */
class Connection {
  loggedIn = false;
  /** One entry for each `login` frame without an answer, oldest first. */
  readonly replies: LoginWaiter[] = [];
  /** How many logouts follow a login that the service has refused since. It answers each with an error. */
  vainLogouts = 0;
  /** Whether this page has asked for presence, and whether the service knows it. */
  presence: "unasked" | "asked" | "unknown" = "unasked";
  /** How many `watch` frames have no answer yet. */
  unanswered = 0;
  /** How many `ping` frames have no answer yet, and whether the service has answered one with a `pong`. */
  pings = 0;
  ponged = false;
  /** How often the login was refused in a row, and since when, in ms of `performance.now()`. */
  refusals = 0;
  refusedSince = 0;
  /** Whether the connection was ever open, and whether it has lasted. */
  opened = false;
  held = false;
  /** Watches the connection from the moment that it is open. */
  liveness: Liveness | undefined;
  readonly began = performance.now();
  connectTimer: Timer;
  holdTimer: Timer;
  loginTimer: Timer;
  iceTimer: Timer;

  constructor(readonly socket: WebSocket) {}

  get open(): boolean {
    return this.socket.readyState === WebSocket.OPEN;
  }

  send(frame: object): string {
    const text = JSON.stringify(frame);
    this.socket.send(text);
    return text;
  }

  watch(logins: readonly string[]): void {
    this.unanswered++;
    this.send({ type: "watch", logins });
  }

  ping(): void {
    this.pings++;
    this.send({ type: "ping" });
  }

  stopTimers(): void {
    this.liveness?.stop();
    for (const timer of [this.connectTimer, this.holdTimer, this.loginTimer, this.iceTimer]) clearTimeout(timer);
  }
}

/**
 * The page's connection to the service. It connects again when the WebSocket is lost, and logs in again by itself. It
 * lives as long as the page.
 */
export class ServiceConnection {
  /** The login that this page holds, or takes again after a reconnect. */
  login: string | undefined;

  #state: ServiceState = { kind: "connecting" };
  #connection: Connection | undefined;
  #joining: { login: string; finish: LoginWaiter } | undefined;
  #retryTimer: Timer;
  #iceServers: readonly RTCIceServer[] = [];
  /** The logins whose presence is watched. */
  #watched: readonly string[] = [];
  #watchScheduled = false;
  /** Connections in a row that were given up because a ping was not answered. */
  #mute = 0;
  /** Attempts in a row that came to nothing, and what was found in the way after the last one that was looked at. */
  #vain = 0;
  #suspected: Phrase | undefined;
  #obstacle: Phrase | undefined;
  readonly #loginBackoff = new Backoff(1_000, 30_000);

  constructor(
    private readonly url: string,
    private readonly listener: ServiceListener,
    private readonly backoff: Backoff = new Backoff(),
    /** Looks for what keeps WebSockets from the service. */
    private readonly look: () => Promise<Phrase | undefined> = async () => undefined,
  ) {}

  get state(): ServiceState {
    return this.#state;
  }

  /** What keeps this page from the service, if the page has found it out. */
  get obstacle(): Phrase | undefined {
    return this.#obstacle;
  }

  /** Whether this page is logged in, and can send frames to others. */
  get ready(): boolean {
    return this.#connection?.loggedIn === true;
  }

  /** Whether there is a doubt that frames arrive at the service. It ends with an answer, or the connection does. */
  get doubted(): boolean {
    return this.#connection?.liveness?.doubted === true;
  }

  /** The ICE servers that the service offers (RFC 8445). */
  get iceServers(): RTCIceServer[] {
    return [...this.#iceServers];
  }

  /** Whether one of the ICE servers is a relay. */
  get relayed(): boolean {
    return this.#iceServers.some(({ urls }) => [urls].flat().some(isRelayUrl));
  }

  /** Sets the logins whose presence is watched, the most important first. */
  watch(logins: readonly string[]): void {
    const bytes = new TextEncoder();
    let room = MAX_WATCHED_BYTES;
    const first = logins.slice(0, MAX_WATCHED).filter((login) => (room -= bytes.encode(JSON.stringify(login)).length) >= 0);
    const keys = (all: readonly string[]) => JSON.stringify(all.map(loginKey).sort());
    if (keys(first) === keys(this.#watched)) return;
    this.#watched = first;
    this.#sendWatch();
  }

  /** Asks for presence in a microtask. Several changes are one frame then. */
  #sendWatch(): void {
    if (this.#watchScheduled) return;
    this.#watchScheduled = true;
    queueMicrotask(() => {
      this.#watchScheduled = false;
      const connection = this.#connection;
      if (connection?.loggedIn !== true || !connection.open || connection.presence === "unknown") return;
      if (this.#watched.length === 0 && connection.presence === "unasked") return;
      connection.presence = "asked";
      connection.watch(this.#watched);
    });
  }

  /** Connects now, while the page waits for the next attempt or has stopped. */
  connect(): void {
    if (this.#connection !== undefined) return;
    clearTimeout(this.#retryTimer);
    this.#setState({ kind: "connecting" });
    let socket: WebSocket;
    try {
      socket = new WebSocket(this.url);
    } catch {
      this.#setState({ kind: "stopped", reason: phrase("stopAddress", this.url) });
      return;
    }
    const connection = new Connection(socket);
    this.#connection = connection;
    connection.connectTimer = setTimeout(() => this.#drop(connection), this.listener.urgent() ? URGENT_CONNECT_TIMEOUT : CONNECT_TIMEOUT);
    socket.onopen = () => this.#opened(connection);
    socket.onmessage = (event) => {
      if (connection === this.#connection && typeof event.data === "string") this.#received(connection, event.data);
    };
    socket.onclose = (event) => this.#closed(connection, event.code, event.reason);
  }

  /**
   * Something gives a reason to doubt the connection: a call is in trouble, the network has changed, the page was asleep. Asks the service
   * for a sign of life. Without one, the page connects anew. If the page waits for its next attempt, it connects now.
   */
  hurry(): void {
    if (this.#state.kind === "waiting") this.connect();
    const connection = this.#connection;
    if (connection?.open === true) connection.liveness?.ask();
    else if (connection !== undefined && performance.now() - connection.began > STALE_ATTEMPT) {
      this.#drop(connection);
      this.connect();
    }
  }

  /** Asks for a login. While it is being asked for, a further call is the same request. */
  join(login: string): Promise<JoinResult> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#giveUpJoin(this.#connection?.open === true ? "no-reply" : "unreachable"), JOIN_TIMEOUT);
      const finish = (result: JoinResult) => {
        clearTimeout(timer);
        this.#joining = undefined;
        resolve(result);
      };
      this.#joining = { login, finish };
      if (this.#connection?.open === true) this.#sendLogin(this.#connection);
      else this.connect();
    });
  }

  /** Does not wait for the answer to Join any more. Then the Join ends with the code `cancelled`. */
  cancelJoin(): void {
    if (this.#joining === undefined) return;
    this.#giveUpJoin("cancelled");
    this.connect();
  }

  #giveUpJoin(code: string): void {
    this.#joining?.finish({ joined: false, code, message: "" });
    // A late answer would give this page a login that it does not want any more.
    const connection = this.#connection;
    if (connection?.open === true) this.#drop(connection);
  }

  /** Gives the login up. The connection stays. */
  leave(): void {
    const { login } = this;
    const connection = this.#connection;
    this.login = undefined;
    if (connection !== undefined) {
      clearTimeout(connection.loginTimer);
      const held = connection.loggedIn || connection.replies.length > 0;
      connection.loggedIn = false;
      if (held && login !== undefined && connection.open) connection.send({ type: "logout", login });
      if (connection.open) this.#connected();
    }
    this.listener.stateChanged();
  }

  /** Sends a frame to another client, and returns it as sent. Without a login it sends nothing and returns undefined. */
  send(frame: Outgoing): string | undefined {
    const connection = this.#connection;
    if (connection?.loggedIn !== true || !connection.open) return undefined;
    connection.liveness?.expect();
    return connection.send({ ...frame, from: this.login });
  }

  #setIceServers(connection: Connection, iceServers: RTCIceServer[]): void {
    this.#iceServers = iceServers;
    this.#renewIceServers(connection, RENEW_ICE_SERVERS);
  }

  /** Asks for other ICE servers later, if those of now have credentials, which end. @param wait in ms */
  #renewIceServers(connection: Connection, wait: number): void {
    clearTimeout(connection.iceTimer);
    if (!this.#iceServers.some(({ credential }) => credential !== undefined)) return;
    connection.iceTimer = setTimeout(() => {
      if (connection.loggedIn) connection.send({ type: "ice-servers" });
    }, wait);
  }

  #setState(state: ServiceState): void {
    this.#state = state;
    this.listener.stateChanged();
  }

  #opened(connection: Connection): void {
    if (connection !== this.#connection) return;
    clearTimeout(connection.connectTimer);
    connection.opened = true;
    this.#vain = 0;
    this.#suspected = this.#obstacle = undefined;
    connection.holdTimer = setTimeout(() => {
      connection.held = true;
      this.backoff.reset();
    }, HOLDS_AFTER);
    connection.liveness = new Liveness({
      ping: () => connection.ping(),
      byItself: () => this.#mute < MAX_MUTE,
      answered: () => this.listener.answered(),
      dead: () => this.#dead(connection),
    });
    // A page that takes its login again is connected once it has it.
    if (this.login === undefined || this.#joining !== undefined) this.#connected();
    this.#sendLogin(connection);
    if (this.#mute > 0) connection.ping(); // It shows whether the service answers pings at all.
  }

  #connected(): void {
    if (this.#state.kind !== "connected") this.#setState({ kind: "connected" });
  }

  /** Asks for the login that the person wants now, or that this page held before the reconnect. */
  #sendLogin(connection: Connection): void {
    clearTimeout(connection.loginTimer);
    const joining = this.#joining;
    const login = joining?.login ?? this.login;
    if (login === undefined) return;
    connection.replies.push((result) => {
      if (joining !== undefined) {
        if (this.#joining !== joining) return;
        if (result.joined) this.#accepted(connection, login);
        joining.finish(result);
      } else if (this.login === login) {
        if (result.joined) {
          this.#accepted(connection, login);
          this.listener.loginRegained();
        } else this.#refused(connection, result.code);
      } else if (!result.joined) connection.vainLogouts++; // The person signed out before this reply came.
    });
    connection.send({ type: "login", login });
    connection.liveness?.expect();
  }

  #accepted(connection: Connection, login: string): void {
    this.login = login;
    connection.loggedIn = true;
    connection.refusals = 0;
    this.#loginBackoff.reset();
    this.#state = { kind: "connected" };
    this.listener.stateChanged();
    this.#sendWatch();
    // The service probes only clients that send pings when somebody else asks for their login. So this page gets its login back soon, even if
    // its address changes and the service believes its old connection alive.
    connection.ping();
  }

  /** Asks again later. The service may hold the login for the lost connection until it notices the loss, so that this is no news at first. */
  #refused(connection: Connection, code: string): void {
    if (connection.refusals === 0) connection.refusedSince = performance.now();
    const held = code === "login-taken" && performance.now() - connection.refusedSince < LOGIN_HELD;
    // Without its login nobody can call this page.
    const soon = connection.refusals++ < URGENT_LOGINS && (held || this.listener.urgent());
    const wait = 1_000 + this.#loginBackoff.next(soon ? URGENT_LOGIN : undefined);
    connection.loginTimer = setTimeout(() => this.#sendLogin(connection), wait);
    if (held) return;
    this.#connected();
    this.listener.loginLost(code);
  }

  #received(connection: Connection, data: string): void {
    connection.liveness?.heard();
    const frame = parseFrame(data);
    if (frame === undefined) return;
    if (frame.type === "pong") {
      connection.pings = 0;
      connection.ponged = true;
      this.#mute = 0;
      return;
    }
    if (frame.type === "login") {
      const reply = connection.replies.shift();
      if (reply !== undefined) {
        if (frame.success) this.#setIceServers(connection, frame.iceServers);
        reply(frame.success ? { joined: true } : { joined: false, code: frame.code, message: frame.message });
      } else if (frame.success) {
        // The page does not want this login any more. Dropping the connection gives it back.
        this.#drop(connection);
      }
    } else if (frame.type === "ice-servers") {
      // After Sign out they are of no use. The next Join brings its own.
      if (!connection.loggedIn) return;
      if (frame.iceServers.length > 0) this.#setIceServers(connection, frame.iceServers);
      else this.#renewIceServers(connection, RENEW_AGAIN);
    } else if (frame.type === "presence") {
      connection.unanswered = 0; // The service knows presence, so that no error will come.
      if (connection.presence === "asked") this.listener.presence(frame.online, frame.offline);
    } else if (frame.type === "error" && answersPing(connection, frame)) {
      connection.pings--;
      this.#mute = 0;
    } else if (frame.type === "error" && frame.code === "unknown-type" && frame.to === undefined && connection.unanswered > 0) {
      connection.unanswered--;
      connection.presence = "unknown"; // The page works without presence, so that nobody needs to know.
    } else if (frame.type === "error" && frame.code === "not-logged-in" && connection.vainLogouts > 0) {
      connection.vainLogouts--;
    } else if (frame.type === "error" && frame.code === "malformed" && frame.to === undefined && connection.replies.length > 0) {
      // The service could not read the `login` frame, so that this is the answer to it.
      connection.replies.shift()!({ joined: false, code: frame.code, message: "" });
    } else this.listener.received(frame.type === "error" ? frame : { ...frame, text: data });
  }

  /** The service gives no sign of life on this connection. */
  #dead(connection: Connection): void {
    this.#mute++;
    this.#drop(connection);
    // A connection that fails soon and again is the service's trouble. Then the back-off counts.
    if (connection.held) this.connect();
  }

  /**
   * Looks for what is in the way once several attempts in a row have come to nothing. What is found twice in a row counts: a service that has
   * just come back answers the question although the attempt before it failed.
   */
  #lookForObstacle(): void {
    if (++this.#vain < LOOK_AFTER || (this.#vain - LOOK_AFTER > 1 && (this.#vain - LOOK_AFTER) % LOOK_EVERY !== 0)) return;
    void this.look().then((found) => {
      if (this.#vain === 0) return; // The page is connected by now.
      const before = this.#suspected;
      this.#suspected = found;
      const obstacle = found?.key === before?.key ? found : undefined;
      if (obstacle === this.#obstacle) return;
      this.#obstacle = obstacle;
      this.listener.stateChanged();
    });
  }

  /** Closes a connection without waiting for the socket's close event. */
  #drop(connection: Connection): void {
    connection.socket.close();
    this.#closed(connection, 1006, "");
  }

  #closed(connection: Connection, code: number, reason: string): void {
    if (connection !== this.#connection) return;
    this.#connection = undefined;
    connection.stopTimers();
    if (!connection.opened) this.#lookForObstacle();
    const stop = stopReason(code, reason);
    if (stop !== undefined) {
      this.#joining?.finish({ joined: false, code: "stopped", message: "", reason: stop });
      this.#setState({ kind: "stopped", reason: stop });
      return;
    }
    const wait = retryAfter(reason) ?? this.backoff.next(this.listener.urgent() ? URGENT_RETRY : undefined);
    this.#retryTimer = setTimeout(() => this.connect(), wait);
    this.#setState({ kind: "waiting", until: performance.now() + wait });
  }
}

/** Whether an error answers a `ping`: an earlier version of the service does not know that type. The original one gives no code. */
function answersPing({ pings, ponged }: Connection, { code, to }: ServiceError): boolean {
  return pings > 0 && !ponged && to === undefined && (code === "unknown-type" || code === "");
}

/** The wait that the service asks for in a close reason (`retry=2300`), in ms. It is an hour at most. */
function retryAfter(reason: string): number | undefined {
  const match = /^retry=(\d{1,7})$/u.exec(reason);
  return match === null ? undefined : Math.min(Math.max(Number(match[1]), MIN_RETRY), 3_600_000);
}

/** The reason with which the service closes a connection whose message stays unfinished (messages/PROTOCOL.md, "Close codes"). */
const UNFINISHED = "a message begun and not finished";

/** Why a client must not connect again by itself after a close code; undefined: it should. */
export function stopReason(code: number, reason = ""): Phrase | undefined {
  switch (code) {
    case 1000:
      return phrase("stopEnded");
    case 1002:
    case 1003:
    case 1007:
    case 1009:
      return phrase("stopMisunderstood");
    case 1008:
      // The network was probably away in the middle of a message.
      return reason === UNFINISHED ? undefined : phrase("stopRefused");
    case 4100:
      return phrase("stopTakenOver");
    default:
      // Later versions of the service may use these codes.
      return code >= 4101 && code <= 4199 ? phrase("stopForGood") : undefined;
  }
}
