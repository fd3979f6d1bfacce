import type { Correspondence } from "../conversation/correspondence.js";
import { type ByeReason, type Outgoing, type PeerFrame, type ServiceError, byeFrame } from "../signaling/frames.js";
import { freshId } from "../signaling/ids.js";
import { isLower, loginKey } from "../signaling/logins.js";
import { Call, type CallListener } from "./call.js";
import type { CallEnd } from "./ends.js";

/** Calls whose candidates came before their offer; a bound against a peer that only sends candidates. */
const MAX_EARLY_CALLS = 16;
/** Candidates kept for each of them. */
const MAX_EARLY_CANDIDATES = 64;
/** Calls of others that have not connected yet, and requests that wait for the person, at once. */
const MAX_INCOMING = 8;
/** Calls at once, of everybody's; a browser has room for some hundred connections. */
const MAX_CALLS = 64;
/** So many connections are made for calls of others … */
const MAX_TAKEN = 32;
/** … within this time, in ms: one who calls over and over again gets no further. */
const TAKEN_WITHIN = 10_000;
/** How long a request waits for the person, in ms: who calls gives up a little earlier. */
const REQUEST_TIMEOUT = 25_000;
/** Calls that are over and still remembered, so that late frames of theirs are known for what they are. */
const MAX_REMEMBERED = 64;

export interface CallsOptions {
  /** This page's login. */
  me: string;
  configuration: () => RTCConfiguration;
  /** Sends by way of the service. Returns the frame as sent; undefined: it could not be. */
  send: (frame: Outgoing) => string | undefined;
  /** Whether signaling frames can go out now: the service is ready, and the device has a network. */
  canSignal: () => boolean;
  correspondence: (peer: string) => Correspondence;
  /** What is done with an offer: a call is made of it, the person is asked, it is refused, or it is as if nobody were here. */
  policy: (peer: string) => "take" | "ask" | "decline" | "ignore";
  listener: CallsListener;
}

export interface CallsListener extends CallListener {
  /** Somebody's call is taken. */
  began(call: Call): void;
  /** Somebody wants to connect; `accept` or `decline` it. */
  requested(request: Request): void;
  /** The request is accepted, declined or given up. */
  settled(request: Request): void;
  /** Somebody's call was refused unasked, as the policy wants it. */
  refused(peer: string): void;
}

/** Somebody who wants to connect, and of whose offer nothing has been made yet. */
export interface Request {
  readonly peer: string;
  readonly id: string;
}

interface WaitingRequest extends Request {
  sdp: string;
  bare: boolean;
  /** The offer as it came. */
  text: string | undefined;
  timer: ReturnType<typeof setTimeout>;
}

/**
 * The calls of one login: decides what each frame from the service means, in the order in which they come,
 * and to which call it belongs. It lives from Join to Sign out.
 */
export class Calls {
  /** By key of the other's login. */
  readonly #calls = new Map<string, Call>();
  readonly #early = new Map<string, RTCIceCandidateInit[]>();
  /** Calls that are over, and whether they were lost. */
  readonly #over = new Map<string, boolean>();
  /** Offers of whom a call is on with, while its page is probed, by key of the other's login. */
  readonly #doubted = new Map<string, PeerFrame & { type: "offer" }>();
  /** When calls of others were taken lately, in ms. */
  #taken: number[] = [];
  /** By key of the other's login. */
  readonly #requests = new Map<string, WaitingRequest>();

  constructor(private readonly options: CallsOptions) {}

  /** The calls that are on or being set up. */
  get all(): readonly Call[] {
    return [...this.#calls.values()];
  }

  /** The call with somebody. */
  with(peer: string): Call | undefined {
    return this.#calls.get(loginKey(peer));
  }

  /** Requests that wait for the person, oldest first. */
  get requests(): readonly Request[] {
    return [...this.#requests.values()];
  }

  /** Calls somebody. There must be no other call with them; a request of theirs is accepted. */
  call(peer: string): Call {
    const request = this.#requests.get(loginKey(peer));
    if (request !== undefined) return this.accept(request)!;
    const call = this.#make({ peer, id: freshId(), bare: false, outgoing: true });
    call.offer();
    return call;
  }

  /** Takes a call that the person was asked about. undefined: it is no longer there. */
  accept(request: Request): Call | undefined {
    const waiting = this.#settle(request);
    return waiting === undefined ? undefined : this.#take(waiting);
  }

  /** Refuses a call that the person was asked about. */
  decline(request: Request): void {
    if (this.#settle(request) !== undefined) this.#bye("declined", request.peer, request.id);
  }

  /** Ends every call. */
  end(): void {
    this.#doubted.clear();
    for (const request of this.requests) this.decline(request);
    for (const call of this.all) call.end("hung-up");
  }

  /** The device's network has changed. */
  networkChanged(): void {
    for (const call of this.all) call.restart();
  }

  /** The service is ready again. */
  serviceReady(): void {
    for (const call of this.all) call.serviceReady();
  }

  /** Takes a frame of another client. */
  receive(frame: PeerFrame): void {
    switch (frame.type) {
      case "offer":
        return this.#offered(frame);
      case "answer": {
        const call = this.#find(frame);
        if (call?.outgoing === true && call.phase === "calling") {
          // As the other spells it. Another login that answers is taken for who was called, and has to prove to be that.
          if (loginKey(frame.from) === loginKey(call.peer)) call.peer = frame.from;
          note(call, frame);
          call.receiveAnswer(frame.sdp, frame.call === undefined);
        } else if (call?.phase === "open" && call.continues(frame.sdp)) {
          note(call, frame);
          call.receiveAnswer(frame.sdp, call.bare);
        } else if (call === undefined && frame.call !== undefined && this.options.policy(frame.from) !== "ignore") {
          // The other side waits on a call that this one has given up.
          this.#sayOver(frame.from, frame.call);
        }
        return;
      }
      case "ice-candidate":
        return this.#candidate(frame);
      case "bye": {
        const request = this.#requests.get(loginKey(frame.from));
        if (request !== undefined && (frame.call === undefined || frame.call === request.id)) {
          this.#settle(request);
          this.#remember(request.id);
        }
        const doubted = this.#doubted.get(loginKey(frame.from));
        if (doubted !== undefined && doubted.call === frame.call) this.#doubted.delete(loginKey(frame.from));
        const call = this.#find(frame);
        if (call !== undefined) note(call, frame);
        return call?.receiveBye(frame.reason);
      }
    }
  }

  /** The service could not do what a frame asked for. Returns whether that was about a call. */
  serviceError(error: ServiceError): boolean {
    if (error.to === undefined) {
      // What the service cannot read it does not say the receiver of: an offer to a login that cannot be.
      const call = this.all.filter(({ phase }) => phase === "calling").at(-1);
      if (error.code !== "malformed" || call === undefined) return false;
      call.end("unreadable");
      return true;
    }
    const call = this.with(error.to);
    if (call === undefined) return false;
    call.journal.add("received", "error", JSON.stringify(error));
    if (call.phase === "open") {
      // Once a call is open it no longer needs the service, unless it is in trouble.
      if (error.code === "peer-unavailable") call.peerUnavailable();
      return true;
    }
    if (error.code !== "peer-unavailable") call.end("undeliverable");
    else call.end(call.phase === "calling" ? "unavailable" : "left");
    return true;
  }

  /** @param probed the page that a call is on with has been asked whether it is there, and did not reply */
  #offered(frame: PeerFrame & { type: "offer" }, probed = false): void {
    const key = loginKey(frame.from);
    if (key === loginKey(this.options.me)) return;
    const policy = this.options.policy(frame.from);
    if (policy === "ignore") return;
    if (frame.call !== undefined && this.#over.has(frame.call)) {
      // The other side tries to restore a call that this one has given up.
      this.#sayOver(frame.from, frame.call);
      return;
    }
    const bare = frame.call === undefined;
    const existing = this.#calls.get(key);
    if (existing !== undefined) {
      const same = bare ? existing.bare : existing.id === frame.call;
      if (same && existing.phase !== "calling" && existing.continues(frame.sdp)) {
        note(existing, frame);
        existing.receiveOffer(frame.sdp);
        return;
      }
      if (!bare && same) return;
      if (existing.outgoing && existing.phase === "calling") {
        // Both called in the same instant: the lower login gives up its own call and takes the other's. A
        // client that does not number its calls takes ours by rolling its own back.
        if (bare || !isLower(this.options.me, frame.from)) return;
        existing.end("superseded");
        this.#take({ peer: frame.from, id: frame.call!, sdp: frame.sdp, bare, text: frame.text });
        return;
      }
      if (!probed && existing.phase === "open") return this.#doubt(existing, frame);
    }
    const known = this.#requests.get(key);
    if (known !== undefined && known.id === frame.call) return;
    if (known !== undefined && policy === "ask") {
      // The person is asked about whom, not about which offer: a newer one takes the place of the one before.
      this.#remember(known.id);
      this.#wait({ peer: frame.from, id: frame.call ?? freshId(), sdp: frame.sdp, bare, text: frame.text });
      return;
    }
    if (known !== undefined) this.#settle(known);
    const setUp = this.all.filter((call) => !call.outgoing && !call.wasOpen).length;
    const offer = { peer: frame.from, id: frame.call ?? freshId(), sdp: frame.sdp, bare, text: frame.text };
    const now = performance.now();
    this.#taken = this.#taken.filter((time) => now - time < TAKEN_WITHIN);
    const more = existing === undefined ? 1 : 0; // The one that there is makes room.
    if (setUp + this.#requests.size + more > MAX_INCOMING || this.#calls.size + more > MAX_CALLS || this.#taken.length >= MAX_TAKEN) {
      this.#bye("busy", offer.peer, offer.id);
      return;
    }
    if (policy === "decline") {
      this.#bye("declined", offer.peer, offer.id);
      this.options.listener.refused(offer.peer);
      return;
    }
    if (policy === "take") {
      this.#taken.push(now);
      this.#take(offer);
      return;
    }
    this.options.listener.requested(this.#wait(offer));
  }

  /** An offer waits for the person. */
  #wait(offer: Omit<WaitingRequest, "timer">): Request {
    const key = loginKey(offer.peer);
    clearTimeout(this.#requests.get(key)?.timer);
    const request: WaitingRequest = { ...offer, timer: setTimeout(() => this.#settle(request), REQUEST_TIMEOUT) };
    this.#requests.set(key, request);
    return request;
  }

  /** Whoever calls anew has given up the call that is on; but only the service says so. Where that call's page replies to a probe, it is not so. */
  #doubt(call: Call, frame: PeerFrame & { type: "offer" }): void {
    const key = loginKey(frame.from);
    const before = this.#doubted.get(key);
    this.#doubted.set(key, frame);
    const refuse = (forged: PeerFrame) => {
      note(call, forged);
      if (forged.call !== undefined) this.#bye("busy", forged.from, forged.call);
    };
    if (before !== undefined) return refuse(before);
    void call.probe().then((there) => {
      const newest = this.#doubted.get(key);
      if (newest === undefined) return;
      this.#doubted.delete(key);
      if (there && call.phase === "open") refuse(newest);
      else this.#offered(newest, true);
    });
  }

  /** Makes a call of an offer. */
  #take(offer: Omit<WaitingRequest, "timer">): Call {
    const { peer, id, bare, sdp } = offer;
    this.with(peer)?.end("superseded");
    const call = this.#make({ peer, id, bare, outgoing: false });
    note(call, { type: "offer", text: offer.text });
    this.options.listener.began(call);
    call.receiveOffer(sdp);
    const earlyKey = keyOf(peer, bare ? undefined : id);
    for (const candidate of this.#early.get(earlyKey) ?? []) call.receiveCandidate(candidate);
    this.#early.delete(earlyKey);
    return call;
  }

  /** Takes a request from those that wait; undefined: it was none of them. */
  #settle({ peer, id }: Request): WaitingRequest | undefined {
    const key = loginKey(peer);
    const waiting = this.#requests.get(key);
    if (waiting?.id !== id) return undefined;
    clearTimeout(waiting.timer);
    this.#requests.delete(key);
    this.options.listener.settled(waiting);
    return waiting;
  }

  #bye(reason: ByeReason, to: string, call: string): void {
    this.#remember(call);
    this.options.send({ ...byeFrame(reason), to, call });
  }

  /** Somebody goes on with a call that has been given up here. */
  #sayOver(to: string, call: string): void {
    this.options.send({ ...byeFrame(this.#over.get(call) === true ? "lost" : "left"), to, call });
  }

  /** Frames about this call that come late are known for what they are. */
  #remember(id: string, lost = false): void {
    this.#over.delete(id);
    this.#over.set(id, lost);
    trim(this.#over, MAX_REMEMBERED);
  }

  #candidate(frame: PeerFrame & { type: "ice-candidate" }): void {
    if (frame.candidate === null || frame.candidate.candidate === "") return;
    const doubted = this.#doubted.has(loginKey(frame.from));
    const call = this.#find(frame);
    if (call !== undefined && !(doubted && frame.call === undefined)) {
      note(call, frame);
      call.receiveCandidate(frame.candidate);
      return;
    }
    if (frame.call !== undefined && this.#over.has(frame.call)) return;
    // Without a call's number, only what belongs to a request can be told from what came too late.
    if (frame.call === undefined && !doubted && !this.#requests.has(loginKey(frame.from))) return;
    const key = keyOf(frame.from, frame.call);
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
    const { configuration, send, canSignal, listener } = this.options;
    const call = new Call({
      ...start,
      configuration: configuration(),
      send,
      canSignal,
      correspondence: this.options.correspondence(start.peer),
      listener: {
        opened: (opened) => listener.opened(opened),
        received: (from, text) => listener.received(from, text),
        delivered: (from, letters) => listener.delivered(from, letters),
        sent: (from, letters) => listener.sent(from, letters),
        read: (from, id) => listener.read(from, id),
        typing: (from, typing) => listener.typing(from, typing),
        next: (from, fingerprint) => listener.next(from, fingerprint),
        reconnectingChanged: (from) => listener.reconnectingChanged(from),
        ended: (ended: Call, end: CallEnd) => {
          if (this.#calls.get(key) === ended) this.#calls.delete(key);
          this.#remember(ended.id, end === "lost");
          listener.ended(ended, end);
        },
      },
    });
    this.#calls.set(key, call);
    return call;
  }
}

/** A frame about a call has come. */
function note(call: Call, { type, text }: { type: string; text?: string | undefined }): void {
  call.journal.add("received", type, text ?? "");
}

function keyOf(from: string, call: string | undefined): string {
  return JSON.stringify([loginKey(from), call ?? ""]);
}

/** Lets the oldest go. */
function trim(collection: Map<string, unknown>, size: number): void {
  while (collection.size > size) collection.delete(collection.keys().next().value!);
}
