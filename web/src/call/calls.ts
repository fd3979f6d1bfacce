import type { Correspondence } from "../conversation/correspondence.js";
import { type ByeReason, type FrameToSend, type PeerFrame, type ServiceError, byeFrame } from "../signaling/frames.js";
import { freshId } from "../signaling/ids.js";
import { isLower, loginKey } from "../signaling/logins.js";
import { Call, type CallListener } from "./call.js";
import { CallLimits } from "./calllimits.js";
import { DoubtedOffers, type OfferFrame } from "./doubtedoffers.js";
import { EarlyCandidates, MAX_CANDIDATES } from "./earlycandidates.js";
import { EndedCalls } from "./endedcalls.js";
import { FINAL } from "./ends.js";
import { type Offer, type Request, Requests } from "./requests.js";

export type { Request } from "./requests.js";

/** Most offers for which the device is asked at once whether their senders are known. It may not answer. */
const MAX_RECALLING = 128;

export interface CallsOptions {
  /** This page's login. */
  me: string;
  configuration: () => RTCConfiguration;
  /** Sends by way of the service. Returns the frame as sent; undefined: it could not be sent. */
  send: (frame: FrameToSend) => string | undefined;
  /** Whether signaling frames can go out now. */
  canSignal: () => boolean;
  /** Whether the service keeps this page's session over a lost connection, so that what was sent arrives. */
  keeps: () => boolean;
  /** Whether this page doubts that its signaling frames arrive. */
  doubted: () => boolean;
  /** Asks the service for a sign of life, because the network may be in trouble. */
  hurry: () => void;
  correspondence: (peer: string) => Correspondence;
  /** What happens to an offer or an answer: it is taken, the person is asked, it is declined, or it is ignored as if nobody were here. */
  policy: (peer: string, sdp: string) => "take" | "ask" | "no-relay" | "ignore";
  /** Whether this browser knows somebody from before. Strangers cannot take the room of those. */
  known: (peer: string) => boolean;
  /** Finds out whether this browser knows somebody whom it does not know at once. */
  recall: (peer: string) => Promise<boolean>;
  listener: CallsListener;
}

export interface CallsListener extends CallListener {
  /** Somebody's call is taken. */
  began(call: Call): void;
  /** Somebody wants to connect. The person decides by `accept` or `decline`. */
  requested(request: Request): void;
  /** The request is accepted, declined or given up. */
  settled(request: Request): void;
  /** Somebody's call was declined by the policy, without asking the person. */
  refused(peer: string): void;
  /** Somebody has said that they do not want the call `id` any more, which is over here. */
  abandoned(peer: string, id: string): void;
}

/**
 * The calls of one login. Decides what each frame from the service means, in the order in which they come, and to which call it
 * belongs. It lives from Join to Sign out.
 */
export class Calls {
  /** By key of the other's login. */
  readonly #calls = new Map<string, Call>();
  readonly #requests: Requests;
  readonly #doubted: DoubtedOffers;
  readonly #early = new EarlyCandidates();
  readonly #ended = new EndedCalls();
  /** The calls of the page before in this tab. */
  readonly #before = new Set<string>();
  /** Offers over the limit of strangers, while the device is asked whether their senders are known. By call id. */
  readonly #recalling = new Set<string>();
  readonly #limits = { known: new CallLimits(), strangers: new CallLimits() };

  constructor(private readonly options: CallsOptions) {
    this.#requests = new Requests((request) => options.listener.settled(request));
    this.#doubted = new DoubtedOffers((call, offer, gone) => {
      if (gone) return this.#offered(offer, true);
      note(call, offer);
      if (offer.call !== undefined) this.#refuse("busy", offer.from, offer.call);
    });
  }

  /** The calls that are on or being set up. */
  get all(): readonly Call[] {
    return [...this.#calls.values()];
  }

  /** The call with somebody. */
  with(peer: string): Call | undefined {
    return this.#calls.get(loginKey(peer));
  }

  /** The requests that wait for the person, oldest first. */
  get requests(): readonly Request[] {
    return this.#requests.all;
  }

  /**
   * Calls somebody. There must be no other call with them. If they have asked for one, that is accepted.
   * @param restores the id of the lost call that this one restores
   */
  call(peer: string, restores?: string): Call {
    const request = this.#requests.with(peer);
    if (request !== undefined) return this.accept(request)!;
    const call = this.#make({ peer, id: freshId(), bare: false, outgoing: true, restores });
    call.offer();
    return call;
  }

  /** Accepts a request. Returns undefined if it does not wait any more. */
  accept(request: Request): Call | undefined {
    const offer = this.#requests.settle(request);
    return offer === undefined ? undefined : this.#take(offer);
  }

  /** Declines a request. */
  decline(request: Request): void {
    if (this.#requests.settle(request) !== undefined) this.#refuse("declined", request.peer, request.id);
  }

  /** The person does not want a lost call to be restored. Tells the other side, now or when it calls again. */
  abandon(peer: string, id: string): void {
    this.#refuse("left", peer, id);
  }

  /** Whether an offer waits for an answer of this page or the person, or a call that was taken for its connection. */
  get undecided(): boolean {
    return this.requests.length > 0 || this.#recalling.size > 0 || this.#doubted.any || this.all.some(({ settingUp, outgoing }) => settingUp && !outgoing);
  }

  /** The page before in this tab had the call `id`. */
  wasBefore(id: string): void {
    this.#before.add(id);
    this.#ended.add(id, "lost");
  }

  /** This page is being closed or loaded again. */
  unload(): void {
    for (const call of this.all) if (call.phase === "open") call.end("unloaded");
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

  /** This page was asleep, so that any call may be in trouble. */
  check(): void {
    for (const call of this.all) void call.check();
  }

  /** The service is ready again, on another connection. @param kept what was sent on the one before has arrived, or will */
  serviceReady(kept: boolean): void {
    for (const call of this.all) call.serviceReady(kept);
  }

  /** Takes a frame of another client. */
  receive(frame: PeerFrame): void {
    switch (frame.type) {
      case "offer":
        return this.#offered(frame);
      case "answer":
        return this.#answered(frame);
      case "ice-candidate":
        return this.#candidate(frame);
      case "bye": {
        const request = this.#requests.with(frame.from);
        if (request !== undefined && (frame.call === undefined || frame.call === request.id)) {
          this.#requests.settle(request);
          this.#ended.add(request.id);
        }
        if (frame.call !== undefined && this.#recalling.delete(frame.call)) this.#ended.add(frame.call);
        this.#doubted.withdraw(frame.from, frame.call);
        const call = this.#find(frame);
        if (call === undefined) {
          if (frame.call !== undefined && frame.reason !== "lost") this.options.listener.abandoned(frame.from, frame.call);
          return;
        }
        note(call, frame);
        call.receiveBye(frame.reason);
      }
    }
  }

  /** The service could not do what a frame asked for. Returns whether that was about a call. */
  serviceError(error: ServiceError): boolean {
    if (error.to === undefined) {
      // If the service cannot read a frame, it cannot say whom the frame was for. The frame is an offer to a login that cannot exist.
      const call = this.all.filter(({ phase }) => phase === "calling").at(-1);
      if (error.code !== "malformed" || call === undefined) return false;
      call.end("unreadable");
      return true;
    }
    const call = this.with(error.to);
    if (call === undefined) return false;
    call.journal.add("received", "error", JSON.stringify(error));
    if (error.code === "peer-unavailable") call.peerUnavailable();
    // An open call does not need the service.
    else if (call.phase !== "open") call.end("undeliverable");
    return true;
  }

  /** @param probed the page at the other end of the open call was probed, and did not reply */
  #offered(frame: OfferFrame, probed = false): void {
    const { from, sdp, text } = frame;
    if (loginKey(from) === loginKey(this.options.me)) return;
    const policy = this.options.policy(from, sdp);
    if (policy === "ignore") return;
    // The other side restarts a call that has ended here.
    if (this.#sayOver(frame)) return;
    // The person here has ended the call that the other side wants to restore.
    if (frame.call !== undefined && frame.restores !== undefined && this.#ended.farewell(frame.restores) === "left") {
      return this.#refuse("left", from, frame.call);
    }
    const bare = frame.call === undefined;
    const offer: Offer = { peer: from, id: frame.call ?? freshId(), sdp, bare, text, candidates: [] };
    const existing = this.with(from);
    const request = this.#requests.with(from);
    if (existing !== undefined) {
      const same = bare ? existing.bare : existing.id === frame.call;
      if (same && existing.phase !== "calling" && existing.continues(sdp)) {
        note(existing, frame);
        existing.receiveOffer(sdp);
        return;
      }
      if (!bare && same) return;
      if (policy !== "ask" && existing.outgoing && existing.phase === "calling") {
        if (request !== undefined) this.#requests.settle(request);
        // Both called in the same instant: the lower login gives up its own call and takes the other's. A client that does not
        // number its calls takes ours and rolls its own back.
        if (!bare && isLower(this.options.me, from)) this.#take(offer);
        else if (!bare) existing.missed();
        return;
      }
      if (!probed && existing.phase === "open") return this.#doubted.add(existing, frame);
    }
    if (request !== undefined) {
      if (request.id === frame.call) return;
      if (policy === "ask") {
        // The person is asked about somebody, not about one offer. The newest offer counts.
        this.#ended.add(request.id);
        this.#requests.add(offer);
        return;
      }
      this.#requests.settle(request);
    }
    const { known } = this.options;
    const isKnown = known(from);
    const limits = this.#limits[isKnown ? "known" : "strangers"];
    const calls = this.all.filter(({ peer }) => known(peer) === isKnown);
    const settingUp = calls.filter((call) => !call.outgoing && !call.wasOpen).length;
    const waiting = this.requests.filter(({ peer }) => known(peer) === isKnown).length;
    const more = existing === undefined ? 1 : 0; // An existing call makes room.
    if (!limits.allow(settingUp + waiting + more, calls.length + more)) {
      if (isKnown || this.#recalling.size === MAX_RECALLING) return this.#refuse("busy", from, offer.id);
      this.#recalling.add(offer.id);
      void this.options.recall(from).then((recalled) => {
        if (!this.#recalling.delete(offer.id)) return; // A bye has come meanwhile.
        if (recalled && known(from)) this.#offered(frame, probed);
        else this.#refuse("busy", from, offer.id);
      });
      return;
    }
    switch (policy) {
      case "no-relay":
        this.#refuse("no-relay", from, offer.id);
        return this.options.listener.refused(from);
      case "take":
        limits.took();
        this.#take(offer);
        return;
      case "ask":
        this.#requests.add(offer);
        this.options.listener.requested(offer);
    }
  }

  #answered(frame: PeerFrame & { type: "answer" }): void {
    const call = this.#find(frame);
    if (call?.outgoing === true && call.phase === "calling") {
      // Before the person has accepted the other end, it gets no candidates.
      if (this.options.policy(call.peer, frame.sdp) === "ask") return call.end("identity-changed");
      // The login is shown as the other side spells it. If another login answers, recognition finds out whether it is the one that was called.
      if (loginKey(frame.from) === loginKey(call.peer)) call.peer = frame.from;
      note(call, frame);
      call.receiveAnswer(frame.sdp, frame.call === undefined);
    } else if (call?.continues(frame.sdp) === true) {
      note(call, frame);
      call.receiveAnswer(frame.sdp, call.bare);
    } else if (call === undefined && !this.#before.has(frame.call ?? "") && this.options.policy(frame.from, frame.sdp) !== "ignore") {
      // The other side waits for a call that has ended here.
      this.#sayOver(frame, "left");
    }
  }

  #candidate(frame: PeerFrame & { type: "ice-candidate" }): void {
    const { from, call: id, candidate } = frame;
    if (candidate === null || candidate.candidate === "") return;
    const doubted = this.#doubted.has(from);
    const call = this.#find(frame);
    if (call !== undefined && !(doubted && id === undefined)) {
      note(call, frame);
      call.receiveCandidate(candidate);
      return;
    }
    const request = this.#requests.with(from);
    if (request !== undefined && (id === undefined ? request.bare : id === request.id)) {
      if (request.candidates.length < MAX_CANDIDATES) request.candidates.push(candidate);
    }
    // Without a call's number, only a candidate that belongs to an offer can be told from one that came too late.
    else if (id === undefined ? doubted : this.#ended.farewell(id) === undefined) this.#early.add(from, id, candidate);
  }

  /** Makes a call of an offer. */
  #take({ peer, id, bare, sdp, text, candidates }: Offer): Call {
    this.with(peer)?.end("superseded");
    const call = this.#make({ peer, id, bare, outgoing: false });
    note(call, { type: "offer", text });
    this.options.listener.began(call);
    call.receiveOffer(sdp);
    for (const candidate of [...this.#early.take(peer, bare ? undefined : id), ...candidates]) call.receiveCandidate(candidate);
    return call;
  }

  /** Refuses an offer. */
  #refuse(reason: ByeReason, to: string, call: string): void {
    this.#ended.add(call);
    this.options.send({ ...byeFrame(reason), to, call });
  }

  /**
   * If somebody continues a call that has ended here, tells them.
   * @param otherwise what they are told if this page remembers no such call; undefined: nothing
   * @returns whether they were told
   */
  #sayOver({ from, call }: PeerFrame, otherwise?: ByeReason): boolean {
    if (call === undefined) return false;
    const farewell = this.#ended.farewell(call) ?? otherwise;
    if (farewell === undefined) return false;
    this.options.send({ ...byeFrame(farewell), to: from, call });
    return true;
  }

  /**
   * The call that a frame is about. It is found by its id, because the other side may spell its login in several ways. A client that
   * does not number its calls has one call at a time.
   */
  #find(frame: PeerFrame): Call | undefined {
    return frame.call === undefined ? this.with(frame.from) : this.all.find(({ id }) => id === frame.call);
  }

  #make(start: { peer: string; id: string; bare: boolean; outgoing: boolean; restores?: string | undefined }): Call {
    const { configuration, send, canSignal, keeps, doubted, hurry, correspondence, listener } = this.options;
    const key = loginKey(start.peer);
    const call = new Call({
      ...start,
      configuration,
      send,
      canSignal,
      keeps,
      doubted,
      hurry,
      correspondence: correspondence(start.peer),
      over: (end) => {
        if (this.#calls.get(key) === call) this.#calls.delete(key);
        this.#ended.add(call.id, FINAL.has(end) ? "left" : "lost");
      },
      listener,
    });
    this.#calls.set(key, call);
    return call;
  }
}

/** Writes a frame that has come into the journal of its call. */
function note(call: Call, { type, text }: { type: string; text?: string | undefined }): void {
  call.journal.add("received", type, text ?? "");
}
