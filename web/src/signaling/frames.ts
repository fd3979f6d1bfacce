/**
 * The frames that the page exchanges with the service. Each is one JSON object. This file checks what comes from
 * outside, so that the rest of the page works with these types only.
 */

import { type Fields, isFields } from "./fields.js";

/**
 * Why a call was ended or refused, as a `bye` says it. Clients that know only the reasons of the protocol understand the
 * others, too: on the wire, a lost call is `"left"` with `"lost":true` beside it, and a call that was refused because the
 * page may use only relays, and has none, is `"declined"` with `"noRelay":true`.
 */
export type ByeReason = "declined" | "busy" | "left" | "lost" | "no-relay";

/** A `bye` on the wire. */
interface Bye {
  type: "bye";
  reason: "declined" | "busy" | "left";
  lost?: true;
  noRelay?: true;
}

/** An answer to `login`. */
export interface LoginReply {
  type: "login";
  success: boolean;
  code: string;
  message: string;
  /** The ICE servers that the service offers. */
  iceServers: RTCIceServer[];
  /** The next secret of the session; undefined: the service does not keep it. */
  resume?: string | undefined;
  /** Whether the session goes on. */
  resumed?: boolean;
  /** How many messages of this page the service has acted on in the session that goes on. */
  received?: number | undefined;
  /** How long the service keeps the session of a connection that is lost, in s. */
  window?: number | undefined;
}

/** An answer to `token`. */
export interface TokenReply {
  type: "token";
  success: boolean;
  code: string;
}

/** Which of the watched logins are there. */
export interface Presence {
  type: "presence";
  online: string[];
  offline: string[];
}

/** The service could not do what a frame asked for. `to` is set if that frame was for another client. */
export interface ServiceError {
  type: "error";
  code: string;
  message: string;
  to?: string;
}

/** A frame from another client. `call` is missing if that client gives its calls no IDs. */
export type PeerFrame = { from: string; call?: string; /** The frame as it was on the wire. */ text?: string } & (
  /** `restores` is the id of a call that was lost, in whose place this one is. */
  | { type: "offer"; sdp: string; restores?: string }
  | { type: "answer"; sdp: string }
  | { type: "ice-candidate"; candidate: RTCIceCandidateInit | null }
  | { type: "bye"; reason: ByeReason }
);

/** New ICE servers. They replace the earlier ones. */
export interface IceServersFrame {
  type: "ice-servers";
  iceServers: RTCIceServer[];
}

/** The answer to `ping`. */
export interface Pong {
  type: "pong";
  /** How many messages of this page the service has acted on in its session. */
  received: number | undefined;
}

export type Frame = LoginReply | TokenReply | Presence | Pong | IceServersFrame | ServiceError | PeerFrame;

/** A frame for another client, without `from`. */
export type FrameToSend = { to: string; call: string } & (
  | { type: "offer"; offer: RTCSessionDescriptionInit; restores?: string }
  | { type: "answer"; answer: RTCSessionDescriptionInit }
  | { type: "ice-candidate"; "ice-candidate": RTCIceCandidateInit; iceCandidate?: RTCIceCandidateInit }
  | Bye
);

/** Makes the fields of a `bye`. */
export function byeFrame(reason: ByeReason): Bye {
  switch (reason) {
    case "lost":
      return { type: "bye", reason: "left", lost: true };
    case "no-relay":
      return { type: "bye", reason: "declined", noRelay: true };
    default:
      return { type: "bye", reason };
  }
}

function byeReason({ reason, lost, noRelay }: Record<string, unknown>): ByeReason {
  if (reason === "declined") return noRelay === true ? "no-relay" : "declined";
  if (reason === "busy") return "busy";
  return lost === true ? "lost" : "left";
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** Reads a number of messages, or of seconds. */
export function count(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined;
}

/** Reads the secret of a session (messages/PROTOCOL.md, "Keeping a session"). */
export function resumeSecret(value: unknown): string | undefined {
  return typeof value === "string" && /^[\w-]{16,128}$/u.test(value) ? value : undefined;
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

/** How many ICE servers are used. More of them would make gathering slow. */
const MAX_ICE_SERVERS = 8;
/** How many URLs of one ICE server are used. More of them would make gathering slow. */
const MAX_ICE_URLS = 8;
/** Longest username or credential for a relay, in UTF-16 units. TURN allows usernames of 508 bytes (RFC 8489, section 14.3). */
const MAX_CREDENTIAL = 1_024;
/** The URL of an ICE server (RFC 7064 and RFC 7065). */
const ICE_URL = /^(?:stun|turns?):(?:\[[0-9a-f:.]{2,45}\]|[0-9a-z._-]{1,253})(?::(\d{1,5}))?(\?transport=(?:udp|tcp))?$/iu;

function isPort(digits: string | undefined): boolean {
  return digits === undefined || (Number(digits) > 0 && Number(digits) < 65_536);
}

function isSecret(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_CREDENTIAL;
}

function isIceUrl(url: string): boolean {
  const match = ICE_URL.exec(url);
  // Only the URLs of relays have a transport.
  return match !== null && isPort(match[1]) && (match[2] === undefined || isRelayUrl(url));
}

/** Whether the URL of an ICE server is a relay's. */
export function isRelayUrl(url: string): boolean {
  return /^turns?:/iu.test(url);
}

/** The servers that a browser accepts. A browser refuses all of them if one is wrong. */
function parseIceServers(value: unknown): RTCIceServer[] {
  if (!Array.isArray(value)) return [];
  const servers: RTCIceServer[] = [];
  for (const server of value.slice(0, MAX_ICE_SERVERS)) {
    if (!isFields(server)) continue;
    const urls = texts([server.urls].flat().slice(0, MAX_ICE_URLS)).filter(isIceUrl);
    const { username, credential } = server;
    const hasCredential = isSecret(username) && isSecret(credential);
    const usable = hasCredential ? urls : urls.filter((url) => !isRelayUrl(url));
    if (usable.length > 0) servers.push({ urls: usable, ...(hasCredential ? { username, credential } : {}) });
  }
  return servers;
}

/** Reads one frame. Returns undefined if the frame means nothing to this page. */
export function readFrame(fields: Fields): Frame | undefined {
  switch (fields.type) {
    case "login":
      return {
        type: "login",
        success: fields.success === true,
        code: text(fields.code),
        message: text(fields.message),
        iceServers: parseIceServers(fields.iceServers),
        resume: resumeSecret(fields.resume),
        resumed: fields.resumed === true,
        received: count(fields.received),
        window: count(fields.window),
      };
    case "token":
      return { type: "token", success: fields.success === true, code: text(fields.code) };
    case "ice-servers":
      return { type: "ice-servers", iceServers: parseIceServers(fields.iceServers) };
    case "presence":
      return { type: "presence", online: texts(fields.online), offline: texts(fields.offline) };
    case "pong":
      return { type: "pong", received: count(fields.received) };
    case "error":
      return {
        type: "error",
        code: text(fields.code),
        message: text(fields.message),
        ...(typeof fields.to === "string" ? { to: fields.to } : {}),
      };
    default:
      return readPeerFrame(fields);
  }
}

function readPeerFrame(fields: Fields): PeerFrame | undefined {
  if (typeof fields.from !== "string" || fields.from === "") return undefined;
  const common = {
    from: fields.from,
    ...(typeof fields.call === "string" && fields.call !== "" ? { call: fields.call } : {}),
  };
  switch (fields.type) {
    case "offer":
    case "answer": {
      const description = fields[fields.type];
      if (!isFields(description) || typeof description.sdp !== "string") return undefined;
      const restores = fields.type === "offer" && typeof fields.restores === "string" ? { restores: fields.restores } : {};
      return { ...common, type: fields.type, sdp: description.sdp, ...restores };
    }
    case "ice-candidate": {
      // The original client writes iceCandidate, although its README says ice-candidate.
      const candidate = fields["ice-candidate"] ?? fields.iceCandidate ?? null;
      if (candidate === null) return { ...common, type: "ice-candidate", candidate: null };
      if (!isFields(candidate) || typeof candidate.candidate !== "string") return undefined;
      return {
        ...common,
        type: "ice-candidate",
        candidate: {
          candidate: candidate.candidate,
          sdpMid: typeof candidate.sdpMid === "string" ? candidate.sdpMid : null,
          sdpMLineIndex: typeof candidate.sdpMLineIndex === "number" ? candidate.sdpMLineIndex : null,
          usernameFragment: typeof candidate.usernameFragment === "string" ? candidate.usernameFragment : null,
        },
      };
    }
    case "bye":
      return {
        ...common,
        type: "bye",
        reason: byeReason(fields),
      };
    default:
      return undefined;
  }
}
