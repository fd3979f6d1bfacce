import type { FingerprintFault } from "../identity/fingerprints.js";
import type { ByeReason } from "../signaling/frames.js";

/** Why a call is over. */
export type CallEnd =
  | "hung-up" // by the person here
  | "left" // by the other side
  | "declined"
  | "no-relay" // the other page may use only relays, and has none
  | "busy"
  | "unavailable" // nobody has that login
  | "undeliverable" // the service could not pass a frame on
  | "unreadable" // the service could not read the offer, because of the other's login
  | "no-answer" // the offer was not answered in time
  | "unreached" // the service could not be reached while the call was being set up
  | "no-connection" // both sides are there, but ICE found no route between them
  | "lost" // it was open, and the connection broke
  | "away" // it was open, and the other page is being closed or loaded again
  | "unloaded" // it was open, and this page is
  | "rerouted" // it was open, and gives way to one that the person's settings allow
  | "gone" // it was open, the connection broke, and the service says that nobody has the other's login any more
  | FingerprintFault // the other side's description does not say which certificate it has
  | "other-certificate" // the browser has taken or met another certificate than this page has compared
  | "identity-changed" // the other end shows another certificate than before, and the person has to decide about that
  | "garbled" // the other page sent something that makes no sense
  | "superseded"; // another call of the same two takes its place

/**
 * What the other side is told, by way of the service, when this side ends a call. undefined: nothing, because the other side is
 * gone, knows, or cannot be told. If a call ends because the other side or the service said so, nothing is told either.
 */
export const FAREWELLS: Readonly<Record<CallEnd, ByeReason | undefined>> = {
  "hung-up": "left",
  left: undefined,
  declined: undefined,
  "no-relay": undefined,
  busy: undefined,
  unavailable: undefined,
  undeliverable: "left",
  unreadable: undefined,
  "no-answer": "lost",
  "no-connection": "lost",
  unreached: "lost",
  lost: "lost",
  away: undefined,
  unloaded: undefined,
  rerouted: "lost",
  gone: undefined,
  "missing-fingerprint": "left",
  "several-fingerprints": "left",
  "unreadable-fingerprint": "left",
  "other-certificate": "left",
  "identity-changed": "left",
  garbled: "left",
  superseded: undefined,
};

/** Ends that a person has chosen, or a page that makes no sense. After one of these, nobody calls again to restore the call. */
export const FINAL: ReadonlySet<CallEnd> = new Set<CallEnd>([
  ...(["hung-up", "left", "declined", "no-relay", "garbled"] as const),
  ...(["missing-fingerprint", "several-fingerprints", "unreadable-fingerprint", "other-certificate", "identity-changed"] as const),
]);
