import { type Phrase, phrase } from "../words.js";
import { Backoff } from "./backoff.js";
import { REFUSED, TAKEN_OVER, TOKEN_ENDED, retryAfter, retryWithin, stopReason } from "./closing.js";
import { Connection, type Timer } from "./connection.js";
import { type Fields, parseFields } from "./fields.js";
import { type FrameToSend, type LoginReply, readFrame } from "./frames.js";
import { IceServers } from "./iceservers.js";
import type { JoinResult, ServiceListener, ServiceState } from "./listener.js";
import { Liveness } from "./liveness.js";
import { ObstacleSearch } from "./obstacle.js";
import { Refusals } from "./refusals.js";
import { type KeptSession, Session, counts } from "./session.js";
import { tokenFault } from "./token.js";
import { Watch } from "./watch.js";

/** How long a connection must last until the back-off starts again from its shortest wait, in ms. */
const HOLDS_AFTER = 10_000;
/** How long a person waits for the answer to Join, in ms. */
const JOIN_TIMEOUT = 10_000;
/** How long one attempt to connect may take, in ms. */
const CONNECT_TIMEOUT = 10_000;
/** The same while somebody waits for the service, in ms. TCP sends its SYN again after 1, 3, 7 and 15 s (RFC 6298), which may be late. */
const URGENT_CONNECT_TIMEOUT = 5_000;
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

  /** The ICE servers that the service offers. */
  readonly iceServers = new IceServers(() => {
    if (this.ready) this.#post(this.#connection, { type: "ice-servers" });
  });

  #state: ServiceState = { kind: "connecting" };
  #connection: Connection | undefined;
  #joining: { login: string; finish: (result: JoinResult) => void } | undefined;
  #retryTimer: Timer;
  readonly #watch = new Watch(() => {
    const connection = this.#connection;
    const logins = connection?.loggedIn === true && connection.open ? this.#watch.ask() : undefined;
    if (logins !== undefined) this.#post(connection, { type: "watch", logins });
  });
  /** The newest token of the person. */
  #token: string | undefined;
  /** The session of the login, or of the one that is asked for. */
  #session: Session | undefined;
  /** A session that this page gives up as soon as it can, and until when it can, in ms of `performance.now()`. */
  #leaving: Session | undefined;
  #leavingUntil = 0;
  /** How long the service keeps a session without a connection, in s. It is 0 if it keeps none. */
  #window = WINDOW;
  /** Set while what has come waits to be stored. */
  #storeTimer: Timer;
  /** When this page began an attempt to log in that was not answered, in ms of `performance.now()`. */
  #vainLogin = -Infinity;
  /** Connections in a row that were given up because a ping was not answered. */
  #mute = 0;
  readonly #obstacle: ObstacleSearch;
  readonly #refusals = new Refusals();

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

  /** Whether there is a doubt that frames arrive at the service. It ends when an answer comes or the connection is dropped. */
  get doubted(): boolean {
    return this.#connection?.liveness?.doubted === true;
  }

  /** How long the service keeps a session without a connection, in s. It is 0 if it keeps none. */
  get window(): number {
    return this.#window;
  }

  /** Sets the logins whose presence is watched, the most important first. */
  watch(logins: readonly string[]): void {
    this.#watch.set(logins);
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
      return this.#setState({ kind: "stopped", reason: phrase("stopAddress", this.url) });
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
   * @param changed the network has changed, so attempts that have failed before do not make the next wait longer
   */
  hurry(changed = false): void {
    if (changed && this.#connection?.open !== true) this.backoff.reset();
    if (this.#state.kind === "waiting") this.connect();
    const connection = this.#connection;
    if (connection?.open === true) connection.liveness?.ask();
    else if (connection !== undefined && performance.now() - connection.began > STALE_ATTEMPT) {
      this.#drop(connection);
      this.connect();
    }
  }

  /** Asks for a login. The caller waits for the result before it asks again. */
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
    this.#session.token = this.#token;
    if (this.#connection?.open !== true) return this.connect();
    this.#setState({ kind: "connecting" });
    this.#sendLogin(this.#connection);
  }

  /** The person has a token. It renews the session; without one the next login brings it, at once if this page waits for a token. */
  takeToken(token: string): void {
    const connection = this.#connection;
    if (connection?.loggedIn === true && connection.open) {
      connection.renewals.push(token);
      this.#post(connection, { type: "token", token });
      return;
    }
    this.setToken(token);
    if (this.#state.kind === "stopped" && this.#session !== undefined) this.connect();
  }

  /** The next login brings this token. A session that is being given up keeps the one before. */
  setToken(token: string | undefined): void {
    this.#token = token;
    this.listener.keepToken(token);
  }

  /** Some of what has come may be settled now, so that a reload would not miss it any more. */
  settle(): void {
    const session = this.#session;
    if (session?.on !== true || this.listener.pending() || !session.settle()) return;
    this.#keepSoon();
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
    clearTimeout(this.#storeTimer);
    this.#storeTimer = undefined;
    if (this.#session?.on === true) this.listener.keep(this.#session.kept);
  }

  /** Stores it at most once in each turn of the event loop. A ping confirms only what is stored. */
  #keepSoon(): void {
    this.#storeTimer ??= setTimeout(() => this.keep(), 0);
  }

  /**
   * Sends a frame to another client, and returns it as sent. Where the session is kept and the connection is lost, the frame goes out when
   * that is back. Without a login it sends nothing and returns undefined.
   */
  send(frame: FrameToSend): string | undefined {
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
    const session = connection.loggedIn && this.#session?.on === true ? this.#session : undefined;
    if (this.#storeTimer !== undefined) this.keep();
    connection.send({ type: "ping", ...(session && { received: session.confirm() }) });
  }

  /** Confirms what has come, and finds out what has arrived, if that is due. */
  #confirm(): void {
    const connection = this.#connection;
    const due = this.#session?.due;
    if (connection?.loggedIn !== true || this.#session?.on !== true || due === undefined) return;
    if (due === 0) this.#ping(connection);
    else connection.confirmTimer ??= setTimeout(() => this.#ping(connection), due);
  }

  #setState(state: ServiceState): void {
    if (state.kind === "stopped") this.#joining?.finish({ joined: false, code: "stopped", message: "", reason: state.reason });
    this.#state = state;
    this.listener.stateChanged();
  }

  #opened(connection: Connection): void {
    if (connection !== this.#connection) return;
    clearTimeout(connection.connectTimer);
    connection.opened = true;
    this.#obstacle.none();
    this.#refusals.connected();
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
    if (session === this.#session) {
      session.token = this.#token;
      this.listener.keep(session.kept); // Before it is sent: the reply may be lost.
    }
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
    this.#refusals.none();
    this.iceServers.begin(reply.iceServers);
    const again = session.accepted(reply);
    if (session.on) this.keep();
    else this.listener.keep(undefined);
    this.#window = session.on ? (reply.window ?? WINDOW) : 0;
    if (again === undefined) this.#watch.begin();
    for (const text of again ?? []) connection.socket.send(text);
    this.#ping(connection); // It confirms, and shows the service that this page has the reply.
    this.#state = { kind: "connected" };
    this.listener.stateChanged();
    this.#watch.askSoon();
    if (regained) this.listener.loginRegained(again !== undefined);
  }

  /** Asks again later. The service may hold the login for the lost connection until it notices the loss, so that this is no news at first. */
  #refused(connection: Connection, code: string): void {
    // The same token would be refused again.
    if (tokenFault(code) !== undefined) return this.#drop(connection, TOKEN_ENDED, phrase("tokenRefused"));
    const { wait, held, leave } = this.#refusals.add(code, this.listener.urgent());
    if (leave) return this.#drop(connection);
    connection.loginTimer = setTimeout(() => this.#sendLogin(connection), wait);
    if (held) return;
    this.#connected();
    this.listener.loginLost(code);
  }

  #received(connection: Connection, data: string): void {
    connection.liveness?.heard();
    const fields = parseFields(data);
    const session = connection.loggedIn && this.#session?.on === true && counts(fields) ? this.#session : undefined;
    if (session?.isNew() === false) return;
    try {
      if (fields !== undefined) this.#act(connection, fields, data);
    } finally {
      // A message on which this page fails would fail again. The service has counted it.
      if (session !== undefined && session === this.#session) {
        session.acted(data);
        if (!this.listener.pending()) session.settle();
        this.#keepSoon();
        this.#confirm();
      }
    }
  }

  /** @param data the frame as it was on the wire */
  #act(connection: Connection, fields: Fields, data: string): void {
    const frame = readFrame(fields);
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
      if (connection.loggedIn) this.iceServers.renewed(frame.iceServers);
    } else if (frame.type === "token") {
      const token = connection.renewals.shift();
      if (token === undefined || this.login === undefined) return; // After Sign out the page keeps no token.
      if (!frame.success) return this.listener.tokenRefused(frame.code);
      this.setToken(token);
      if (this.#session !== undefined) this.#session.token = token;
    } else if (frame.type === "presence") {
      if (this.#watch.answered()) this.listener.presence(frame.online, frame.offline);
    } else if (frame.type === "error" && connection.answersPing(frame)) {
      this.#mute = 0;
    } else if (frame.type === "error" && (connection.answersRenewal(frame) || connection.answersLogin(frame) || this.#watch.refused(frame))) {
      // The page works without a renewal and without presence, so that nobody needs to know. Whoever asked for a login does by now.
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
  #drop(connection: Connection, code = 1006, stop?: Phrase): void {
    connection.socket.close();
    this.#closed(connection, code, "", stop);
  }

  #closed(connection: Connection, code: number, reason: string, stop = stopReason(code, reason, this.login !== undefined)): void {
    if (connection !== this.#connection) return;
    this.#connection = undefined;
    connection.stopTimers();
    this.iceServers.stop();
    if (!connection.opened) this.#obstacle.failed();
    const fresh = connection.renewals.at(-1);
    if (fresh !== undefined && this.login !== undefined) this.setToken(fresh);
    // The person has another token by now.
    if (code === TOKEN_ENDED && this.#token !== this.#session?.token) stop = undefined;
    // Perhaps an attempt of this page has come late, and has taken its own session over.
    if (code === TAKEN_OVER && performance.now() - this.#vainLogin < LATE) {
      stop = undefined;
      this.#vainLogin = -Infinity;
    } else if (connection.replies.length > 0) this.#vainLogin = connection.asked;
    if (stop !== undefined) {
      if ((code !== REFUSED && code !== TOKEN_ENDED) || this.login === undefined) this.#forget();
      return this.#setState({ kind: "stopped", reason: stop });
    }
    const wait = retryAfter(reason) ?? this.backoff.next(retryWithin(code, this.listener.urgent()));
    this.#retryTimer = setTimeout(() => this.connect(), wait);
    this.#setState({ kind: "waiting", until: performance.now() + wait });
  }
}
