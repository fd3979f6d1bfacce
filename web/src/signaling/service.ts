import { type Phrase, phrase } from "../words.js";
import { Backoff } from "./backoff.js";
import { REFUSED, TAKEN_OVER, retryAfter, stopReason } from "./closing.js";
import { Connection, type Timer } from "./connection.js";
import { type LoginReply, type Outgoing, isRelayUrl, parseFrame } from "./frames.js";
import type { JoinResult, ServiceListener, ServiceState } from "./listener.js";
import { Liveness } from "./liveness.js";
import { ObstacleSearch } from "./obstacle.js";
import { type KeptSession, Session } from "./session.js";
import { Watch } from "./watch.js";

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

/** While somebody waits for the service, the longest wait before the next attempt to connect, in ms … */
const URGENT_RETRY = 2_000;
/** … and before the login is asked for again … */
const URGENT_LOGIN = 1_000;
/** … so many times. After twenty refusals in a row the service would end the connection (messages/PROTOCOL.md, "Framing"). */
const URGENT_LOGINS = 10;
/** An attempt to connect that began before the network changed is given up if it has taken this long, in ms. */
const STALE_ATTEMPT = 1_000;
/** How long the service keeps a session without a connection, unless it has said something else, in s. */
const WINDOW = 30;
/** How late an attempt to log in may come at the service, in ms (messages/PROTOCOL.md, "Clients"). */
const LATE = 60_000;
/** After this many connections on which no ping was answered, the page takes the service for one that answers none. */
const MAX_MUTE = 2;

/**
 * The page's connection to the service. It connects again when the WebSocket is lost, and logs in again by itself. It
 * lives as long as the page.
 */
export class ServiceConnection {
  /** The login that this page holds, or takes again after a reconnect. */
  login: string | undefined;

  #state: ServiceState = { kind: "connecting" };
  #connection: Connection | undefined;
  #joining: { login: string; finish: (result: JoinResult) => void } | undefined;
  #retryTimer: Timer;
  #iceServers: readonly RTCIceServer[] = [];
  readonly #watch = new Watch();
  #watchScheduled = false;
  /** The session of the login, or of the one that is asked for. */
  #session: Session | undefined;
  /** A session that this page gives up as soon as it can, and until when it can, in ms of `performance.now()`. */
  #leaving: Session | undefined;
  #leavingUntil = 0;
  /** How long the service keeps a session without a connection, in s. It is 0 if it keeps none. */
  #window = WINDOW;
  /** When this page began an attempt to log in that was not answered, in ms of `performance.now()`. */
  #vainLogin = -Infinity;
  /** Connections in a row that were given up because a ping was not answered. */
  #mute = 0;
  readonly #obstacle: ObstacleSearch;
  readonly #loginBackoff = new Backoff(1_000, 30_000);

  constructor(
    private readonly url: string,
    private readonly listener: ServiceListener,
    private readonly backoff: Backoff = new Backoff(),
    /** Looks for what keeps WebSockets from the service. */
    look: () => Promise<Phrase | undefined> = async () => undefined,
  ) {
    this.#obstacle = new ObstacleSearch(look, () => listener.stateChanged());
  }

  get state(): ServiceState {
    return this.#state;
  }

  /** What keeps this page from the service, if the page has found it out. */
  get obstacle(): Phrase | undefined {
    return this.#obstacle.found;
  }

  /** Whether this page is logged in, and can send frames to others. */
  get ready(): boolean {
    return this.#connection?.loggedIn === true;
  }

  /** Whether there is a doubt that frames arrive at the service. It ends with an answer, or the connection does. */
  get doubted(): boolean {
    return this.#connection?.liveness?.doubted === true;
  }

  /** How long the service keeps a session without a connection, in s. It is 0 if it keeps none. */
  get window(): number {
    return this.#window;
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
    if (this.#watch.set(logins)) this.#sendWatch();
  }

  /** Asks for presence in a microtask. Several changes are one frame then. */
  #sendWatch(): void {
    if (this.#watchScheduled) return;
    this.#watchScheduled = true;
    queueMicrotask(() => {
      this.#watchScheduled = false;
      const connection = this.#connection;
      const logins = connection?.loggedIn === true && connection.open ? this.#watch.ask() : undefined;
      if (logins !== undefined) this.#post(connection, { type: "watch", logins });
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
      const connection = this.#connection;
      if (connection?.open !== true) return this.connect();
      // Nobody waits for the answer to a login that is being given up.
      if (this.#leaving !== undefined) connection.send({ type: "logout", login: this.#leaving.login });
      this.#leaving = undefined;
      this.#sendLogin(connection);
    });
  }

  /** Goes on with the session of the page before in this tab, as after a connection that was lost. */
  resume(kept: KeptSession): void {
    this.login = kept.login;
    this.#session = new Session(kept.login, kept);
    if (this.#connection?.open !== true) return this.connect();
    this.#setState({ kind: "connecting" });
    this.#sendLogin(this.#connection);
  }

  /** Some of what has come may be settled now, so that a reload would not miss it any more. */
  settle(): void {
    const session = this.#session;
    if (session?.on !== true || this.listener.pending() || !session.settle()) return;
    this.keep();
    this.#confirm();
  }

  /** Does not wait for the answer to Join any more. Then the Join ends with the code `cancelled`. */
  cancelJoin(): void {
    if (this.#joining === undefined) return;
    this.#giveUpJoin("cancelled");
    this.connect();
  }

  #giveUpJoin(code: string): void {
    const session = this.#session;
    this.#joining?.finish({ joined: false, code, message: "" });
    this.#forget();
    // A late answer would give this page a login that it does not want any more.
    const connection = this.#connection;
    if (connection?.open !== true) return;
    if (connection.replies.length > 0 && this.#window > 0 && this.#leaving === undefined) this.#giveUp(session);
    this.#drop(connection);
  }

  /** Gives the login up. The connection stays. */
  leave(): void {
    const { login } = this;
    const connection = this.#connection;
    const session = this.#session;
    const kept = session?.on === true;
    this.login = undefined;
    this.#forget();
    if (connection?.open === true) {
      const pending = connection.replies.length > 0;
      clearTimeout(connection.loginTimer);
      if (login !== undefined && (connection.loggedIn || (pending && !kept))) connection.send({ type: "logout", login });
      else if (kept) {
        this.#giveUp(session);
        if (!pending) this.#sendLogin(connection);
      }
      connection.loggedIn = false;
      this.#connected();
    } else if (kept) this.#giveUp(session);
    this.listener.stateChanged();
  }

  /** Gives a session up as soon as there is a connection for that. */
  #giveUp(session: Session | undefined): void {
    this.#leaving = session;
    this.#leavingUntil = performance.now() + this.#window * 1_000;
  }

  /** There is nothing to go on with any more. */
  #forget(): void {
    this.#session = undefined;
    this.listener.keep(undefined);
  }

  /** Stores what the next page in this tab needs of a session that the service keeps. */
  keep(): void {
    if (this.#session?.on === true) this.listener.keep(this.#session.kept);
  }

  /**
   * Sends a frame to another client, and returns it as sent. Where the session is kept and the connection is lost, the frame goes out when
   * that is back. Without a login it sends nothing and returns undefined.
   */
  send(frame: Outgoing): string | undefined {
    const connection = this.#connection;
    const there = connection?.loggedIn === true && connection.open;
    if (!there && this.#session?.on !== true) return undefined;
    if (there) connection.liveness?.expect();
    return this.#post(there ? connection : undefined, { ...frame, from: this.login });
  }

  /** Sends a frame that counts, now or, without a connection, once the session goes on. */
  #post(connection: Connection | undefined, frame: object): string {
    const text = JSON.stringify(frame);
    if (this.#session?.on === true) this.#session.sent(text);
    connection?.socket.send(text);
    this.#confirm();
    return text;
  }

  /** Asks for a sign of life, and confirms what has come. */
  #ping(connection: Connection): void {
    clearTimeout(connection.confirmTimer);
    connection.confirmTimer = undefined;
    connection.pings++;
    const session = this.#session;
    connection.send({ type: "ping", ...(connection.loggedIn && session?.on === true ? { received: session.confirm() } : {}) });
  }

  /** Confirms what has come, and finds out what has arrived, if that is due. */
  #confirm(): void {
    const connection = this.#connection;
    const due = this.#session?.due;
    if (connection?.loggedIn !== true || this.#session?.on !== true || due === undefined) return;
    if (due === 0) this.#ping(connection);
    else connection.confirmTimer ??= setTimeout(() => this.#ping(connection), due);
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
      if (connection.loggedIn) this.#post(connection, { type: "ice-servers" });
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
    this.#obstacle.none();
    connection.holdTimer = setTimeout(() => {
      connection.held = true;
      this.backoff.reset();
    }, HOLDS_AFTER);
    connection.liveness = new Liveness({
      ping: () => this.#ping(connection),
      byItself: () => this.#mute < MAX_MUTE,
      answered: () => this.listener.answered(),
      dead: () => this.#dead(connection),
    });
    // A page that takes its login again is connected once it has it.
    if (this.login === undefined || this.#joining !== undefined) this.#connected();
    this.#sendLogin(connection);
    if (this.#mute > 0) this.#ping(connection); // It shows whether the service answers pings at all.
  }

  #connected(): void {
    if (this.#state.kind !== "connected") this.#setState({ kind: "connected" });
  }

  /** Asks for the login that the person wants now, or that this page held before the reconnect. One that it gives up comes first. */
  #sendLogin(connection: Connection): void {
    clearTimeout(connection.loginTimer);
    const joining = this.#joining;
    const login = joining?.login ?? this.login;
    if (performance.now() > this.#leavingUntil) this.#leaving = undefined;
    if (login !== undefined && this.#session?.login !== login) this.#session = new Session(login);
    const session = this.#leaving ?? this.#session;
    if (session === undefined) return;
    if (session === this.#session) this.listener.keep(session.kept); // Before it is sent: the reply may be lost.
    connection.replies.push((reply) => {
      if (session === this.#leaving) return this.#left(connection, session, reply);
      if (session !== this.#session) {
        if (!reply.success) connection.vainLogouts++; // The person signed out before this reply came.
        return;
      }
      if (reply.success) this.#accepted(connection, session, reply);
      else if (joining === undefined) this.#refused(connection, reply.code);
      else this.#forget();
      joining?.finish(reply.success ? { joined: true } : { joined: false, code: reply.code, message: reply.message });
    });
    connection.asked = performance.now();
    connection.send(session.ask());
    connection.liveness?.expect();
  }

  /** The login that this page gives up was answered. */
  #left(connection: Connection, session: Session, reply: LoginReply): void {
    this.#leaving = undefined;
    if (reply.success) {
      for (const text of session.accepted(reply) ?? []) connection.socket.send(text);
      connection.send({ type: "logout", login: session.login });
    }
    this.#sendLogin(connection);
  }

  #accepted(connection: Connection, session: Session, reply: LoginReply): void {
    const regained = this.login !== undefined;
    this.login = session.login;
    connection.loggedIn = true;
    connection.refusals = 0;
    this.#loginBackoff.reset();
    this.#setIceServers(connection, reply.iceServers);
    const again = session.accepted(reply);
    if (session.on) this.keep();
    else this.listener.keep(undefined);
    this.#window = session.on ? (reply.window ?? WINDOW) : 0;
    if (again === undefined) this.#watch.begin();
    for (const text of again ?? []) connection.socket.send(text);
    this.#ping(connection); // It confirms, and shows the service that this page has the reply.
    this.#state = { kind: "connected" };
    this.listener.stateChanged();
    this.#sendWatch();
    if (regained) this.listener.loginRegained(again !== undefined);
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
    const session = connection.loggedIn && this.#session?.on === true ? this.#session : undefined;
    if (session?.isNew(data) === false) return;
    this.#act(connection, data);
    if (session === undefined || session !== this.#session) return;
    session.acted(data);
    if (!this.listener.pending()) session.settle();
    this.keep();
    this.#confirm();
  }

  #act(connection: Connection, data: string): void {
    const frame = parseFrame(data);
    if (frame === undefined) return;
    if (frame.type === "pong") {
      connection.answered();
      this.#mute = 0;
      if (frame.received !== undefined && connection.loggedIn) this.#session?.confirmed(frame.received);
      return;
    }
    if (frame.type === "login") {
      const reply = connection.replies.shift();
      if (reply !== undefined) reply(frame);
      // The page does not want this login any more. Dropping the connection gives it back.
      else if (frame.success) this.#drop(connection);
    } else if (frame.type === "ice-servers") {
      // After Sign out they are of no use. The next Join brings its own.
      if (!connection.loggedIn) return;
      if (frame.iceServers.length > 0) this.#setIceServers(connection, frame.iceServers);
      else this.#renewIceServers(connection, RENEW_AGAIN);
    } else if (frame.type === "presence") {
      if (this.#watch.answered()) this.listener.presence(frame.online, frame.offline);
    } else if (frame.type === "error" && connection.answersPing(frame)) {
      this.#mute = 0;
    } else if (frame.type === "error" && this.#watch.refused(frame)) {
      // The page works without presence, so that nobody needs to know.
    } else if (frame.type === "error" && frame.code === "not-logged-in" && connection.vainLogouts > 0) {
      connection.vainLogouts--;
    } else if (frame.type === "error" && frame.code === "malformed" && frame.to === undefined && connection.replies.length > 0) {
      // The service could not read the `login` frame, so that this is the answer to it.
      connection.replies.shift()!({ type: "login", success: false, code: frame.code, message: "", iceServers: [] });
    } else this.listener.received(frame.type === "error" ? frame : { ...frame, text: data });
  }

  /** The service gives no sign of life on this connection. */
  #dead(connection: Connection): void {
    this.#mute++;
    this.#drop(connection);
    // A connection that fails soon and again is the service's trouble. Then the back-off counts, unless the session waits for this page.
    if (connection.held || this.#session?.on === true) this.connect();
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
    if (!connection.opened) this.#obstacle.failed();
    let stop = stopReason(code, reason);
    // Perhaps an attempt of this page has come late, and has taken its own session over.
    if (code === TAKEN_OVER && performance.now() - this.#vainLogin < LATE) {
      stop = undefined;
      this.#vainLogin = -Infinity;
    } else if (connection.replies.length > 0) this.#vainLogin = connection.asked;
    if (stop !== undefined) {
      if (code !== REFUSED || this.login === undefined) this.#forget();
      this.#joining?.finish({ joined: false, code: "stopped", message: "", reason: stop });
      this.#setState({ kind: "stopped", reason: stop });
      return;
    }
    const wait = retryAfter(reason) ?? this.backoff.next(this.listener.urgent() ? URGENT_RETRY : undefined);
    this.#retryTimer = setTimeout(() => this.connect(), wait);
    this.#setState({ kind: "waiting", until: performance.now() + wait });
  }
}
