import type { LoginReply, ServiceError } from "./frames.js";
import type { Liveness } from "./liveness.js";

export type Timer = ReturnType<typeof setTimeout> | undefined;

/** Takes the answer to a `login`. */
type LoginWaiter = (reply: LoginReply) => void;

/** One WebSocket, and everything that holds only on it. It is dropped as a whole. */
export class Connection {
  loggedIn = false;
  /** One entry for each `login` frame without an answer, oldest first. */
  readonly replies: LoginWaiter[] = [];
  /** The tokens that were sent to renew the session, and have no answer yet, oldest first. */
  readonly renewals: string[] = [];
  /** How many logouts follow a login that the service has refused since. It answers each with an error. */
  vainLogouts = 0;
  /** How many `ping` frames have no answer yet, and whether the service has answered one with a `pong`. */
  pings = 0;
  ponged = false;
  /** Whether the connection was ever open, and whether it has lasted. */
  opened = false;
  held = false;
  /** Watches the connection from the moment that it is open. */
  liveness: Liveness | undefined;
  readonly began = performance.now();
  /** When this page last asked for a login, in ms of `performance.now()`. */
  asked = -Infinity;
  connectTimer: Timer;
  holdTimer: Timer;
  loginTimer: Timer;
  confirmTimer: Timer;

  constructor(readonly socket: WebSocket) {}

  get open(): boolean {
    return this.socket.readyState === WebSocket.OPEN;
  }

  send(frame: object): void {
    this.socket.send(JSON.stringify(frame));
  }

  /** A `pong` has come. */
  answered(): void {
    this.pings = 0;
    this.ponged = true;
  }

  /** Whether an error answers a `ping`: an earlier version of the service does not know that type. The original one gives no code. */
  answersPing({ code, to }: ServiceError): boolean {
    if (this.pings === 0 || this.ponged || to !== undefined || (code !== "unknown-type" && code !== "")) return false;
    this.pings--;
    return true;
  }

  /** Whether an error answers a `token`: the service asks for none. */
  answersRenewal({ code, to }: ServiceError): boolean {
    return to === undefined && (code === "unknown-type" || code === "") && this.renewals.shift() !== undefined;
  }

  /** Whether an error answers a `login`, which the service could not read then, or a `logout` that follows a refused one. */
  answersLogin({ code, to }: ServiceError): boolean {
    if (code === "not-logged-in" && this.vainLogouts > 0) {
      this.vainLogouts--;
      return true;
    }
    const reply = code === "malformed" && to === undefined ? this.replies.shift() : undefined;
    reply?.({ type: "login", success: false, code, message: "", iceServers: [] });
    return reply !== undefined;
  }

  stopTimers(): void {
    this.liveness?.stop();
    for (const timer of [this.connectTimer, this.holdTimer, this.loginTimer, this.confirmTimer]) clearTimeout(timer);
  }
}
