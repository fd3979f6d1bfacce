import { Call, type CallEnd, type CallListener } from "./call.js";
import type { Correspondence } from "./correspondence.js";
import { freshId } from "./ids.js";
import { isLower, loginKey } from "./logins.js";
import type { Outgoing, PeerFrame, ServiceError } from "./signaling.js";

/** Calls whose candidates came before their offer; a bound against a peer that only sends candidates. */
const MAX_EARLY_CALLS = 16;
/** Candidates kept for each of them. */
const MAX_EARLY_CANDIDATES = 64;
/** Calls that are over and still remembered, so that late frames of theirs are known for what they are. */
const MAX_REMEMBERED = 64;

export interface CallsOptions {
  /** This page's login. */
  me: string;
  configuration: RTCConfiguration;
  send: (frame: Outgoing) => void;
  correspondence: (peer: string) => Correspondence;
  listener: CallListener;
}

/**
 * The calls of one login: decides what each frame from the service means, in the order in which they come,
 * and to which call it belongs. It lives from Join to Sign out.
 */
export class Calls {
  /** By key of the other's login. */
  readonly #calls = new Map<string, Call>();
  readonly #early = new Map<string, RTCIceCandidateInit[]>();
  readonly #over = new Set<string>();

  constructor(private readonly options: CallsOptions) {}

  /** The call that is on or being set up: one at a time. */
  get current(): Call | undefined {
    return this.#calls.values().next().value;
  }

  /** Calls somebody. There must be no other call. */
  call(peer: string): Call {
    const call = this.#make({ peer, id: freshId(), bare: false, outgoing: true });
    call.offer();
    return call;
  }

  /** Ends every call. */
  end(): void {
    for (const call of [...this.#calls.values()]) call.end("hung-up", "left");
  }

  /** Takes a frame of another client. */
  receive(frame: PeerFrame): void {
    switch (frame.type) {
      case "offer":
        return this.#offered(frame);
      case "answer": {
        const call = this.#find(frame);
        if (call?.outgoing === true && call.phase === "calling") {
          call.peer = frame.from;
          call.answered(frame.sdp, frame.call === undefined);
        } else if (call === undefined && frame.call !== undefined) {
          // The other side waits on a call that this one has given up.
          this.options.send({ type: "bye", reason: "left", to: frame.from, call: frame.call });
        }
        return;
      }
      case "ice-candidate":
        return this.#candidate(frame);
      case "bye":
        return this.#find(frame)?.bye(frame.reason);
    }
  }

  /** The service could not do what a frame asked for. Returns whether that was about the current call. */
  refused(error: ServiceError): boolean {
    const call = error.to === undefined ? this.current : this.#calls.get(loginKey(error.to));
    // Once a call is open it no longer needs the service.
    if (call === undefined || call.phase === "open") return false;
    if (error.to === undefined) {
      // What the service cannot read it does not say the receiver of: an offer to a login that cannot be.
      if (error.code !== "malformed" || call.phase !== "calling") return false;
      call.end("unreadable");
    } else if (error.code !== "peer-unavailable") call.end("undeliverable", "left");
    else call.end(call.phase === "calling" ? "unavailable" : "left");
    return true;
  }

  #offered(frame: PeerFrame & { type: "offer" }): void {
    const key = loginKey(frame.from);
    if (key === loginKey(this.options.me)) return;
    if (frame.call !== undefined && this.#over.has(frame.call)) return;
    const bare = frame.call === undefined;
    const existing = this.#calls.get(key);
    if (existing !== undefined) {
      if (!bare && existing.id === frame.call) return;
      if (existing.bare && bare && existing.phase !== "calling" && existing.continues(frame.sdp)) {
        existing.answer(frame.sdp);
        return;
      }
      if (existing.outgoing && existing.phase === "calling") {
        // Both called in the same instant: the lower login gives up its own call and takes the other's. A
        // client that does not number its calls takes ours by rolling its own back.
        if (bare || !isLower(this.options.me, frame.from)) return;
      }
      existing.end("superseded");
    } else if (this.#calls.size > 0) {
      this.options.send({ type: "bye", reason: "busy", to: frame.from, call: frame.call ?? freshId() });
      return;
    }
    const call = this.#make({ peer: frame.from, id: frame.call ?? freshId(), bare, outgoing: false });
    call.answer(frame.sdp);
    const earlyKey = frameKey(frame);
    for (const candidate of this.#early.get(earlyKey) ?? []) call.candidate(candidate);
    this.#early.delete(earlyKey);
  }

  #candidate(frame: PeerFrame & { type: "ice-candidate" }): void {
    if (frame.candidate === null || frame.candidate.candidate === "") return;
    const call = this.#find(frame);
    if (call !== undefined) {
      call.candidate(frame.candidate);
      return;
    }
    if (frame.call === undefined || this.#over.has(frame.call)) return;
    const key = frameKey(frame);
    const waiting = this.#early.get(key) ?? [];
    if (waiting.length < MAX_EARLY_CANDIDATES) waiting.push(frame.candidate);
    this.#early.set(key, waiting);
    trim(this.#early, MAX_EARLY_CALLS);
  }

  /**
   * The call that a frame is about: the one with its id, however the other spells its login. Clients that do
   * not number their calls have one at a time.
   */
  #find(frame: PeerFrame): Call | undefined {
    if (frame.call === undefined) return this.#calls.get(loginKey(frame.from));
    return [...this.#calls.values()].find(({ id }) => id === frame.call);
  }

  #make(start: { peer: string; id: string; bare: boolean; outgoing: boolean }): Call {
    const key = loginKey(start.peer);
    const { configuration, send, listener } = this.options;
    const call = new Call({
      ...start,
      configuration,
      send,
      correspondence: this.options.correspondence(start.peer),
      listener: {
        opened: (opened) => listener.opened(opened),
        received: (from, text) => listener.received(from, text),
        delivered: (from, letters) => listener.delivered(from, letters),
        sent: (from, letters) => listener.sent(from, letters),
        ended: (ended: Call, end: CallEnd) => {
          if (this.#calls.get(key) === ended) this.#calls.delete(key);
          this.#over.add(ended.id);
          trim(this.#over, MAX_REMEMBERED);
          listener.ended(ended, end);
        },
      },
    });
    this.#calls.set(key, call);
    return call;
  }
}

function frameKey(frame: PeerFrame): string {
  return JSON.stringify([loginKey(frame.from), frame.call ?? ""]);
}

/** Lets the oldest go. */
function trim(collection: Map<string, unknown> | Set<string>, size: number): void {
  while (collection.size > size) collection.delete(collection.keys().next().value!);
}
