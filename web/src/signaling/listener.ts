import type { Phrase } from "../words.js";
import type { PeerFrame, ServiceError } from "./frames.js";
import type { KeptSession } from "./session.js";

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
  /** After a reconnect this page holds its login again. @param kept nothing that was sent or received meanwhile is lost */
  loginRegained(kept: boolean): void;
  /** The next page in this tab needs this to take the session over; undefined: there is none. */
  keep(session: KeptSession | undefined): void;
  /** The next page in this tab needs this token to log in; undefined: there is none. */
  keepToken(token: string | undefined): void;
  /** The service refuses a token that was to renew the session. The one before holds. */
  tokenRefused(code: string): void;
  /** Whether a reload now would miss something that has come, such as an offer that waits for the person. */
  pending(): boolean;
  /** The service has answered after a doubt. */
  answered(): void;
  /** Whether somebody waits for the service now, such as a call that was lost. The page connects again sooner then. */
  urgent(): boolean;
}
