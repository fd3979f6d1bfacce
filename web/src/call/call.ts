import type { Correspondence, Letter } from "../conversation/correspondence.js";
import type { FileMessage } from "../files/frames.js";
import { FrameError } from "../files/frames.js";
import type { FileLink } from "../files/link.js";
import type { Transfers } from "../files/transfers.js";
import { type Fingerprints, fingerprintOf } from "../identity/fingerprints.js";
import { type ByeReason, type Outgoing, byeFrame } from "../signaling/frames.js";
import { Journal } from "../signaling/journal.js";
import { loginKey } from "../signaling/logins.js";
import { BareChannel, type ChannelEnd, type ChannelListener, FramedChannel, type PeerChannel } from "./channel.js";
import { type ConnectionFigures, figuresOf } from "./stats.js";

/** Id of the negotiated channel; high, so that it never meets one that a peer opens in-band. */
const CHANNEL_ID = 100;
/** Id of the negotiated channel for the bytes of files. */
const BULK_ID = 101;
/** Label of the channel that clients without framing look for. */
const BARE_LABEL = "messaging-channel";
/** How long a call may take to be answered, and to connect, in ms. */
const SETUP_TIMEOUT = 20_000;
/** How long a connection stays open to let the goodbye out, in ms. */
const FAREWELL = 1_000;
/**
 * How long the other page may take to show on the channel that it is there, where the service says that it is not, in ms; after a bye
 * its goodbye comes within this time, behind its last texts.
 */
const BYE_ANSWER = 800;
/** How often a connection that is in trouble is looked at, in ms. */
const TROUBLE_LOOK = 500;
/** How long the other side may take to answer a restart, while the service can be reached, in ms. */
const RESTART_ANSWER = 3_500;
/** Offers of both sides that meet within this time were made in the same instant; an older one has got lost, in ms. */
const SAME_INSTANT = 2_000;
/** How long a restart that was answered may take, in ms. */
const RESTART_TIMEOUT = 20_000;
/** A service that was away so short a time before the trouble tells that this side's network was, in ms: browsers notice late. */
const AWAY_BEFORE = 15_000;
/** How long a connection in trouble waits for the service to be back, in ms. */
const AWAY_TIMEOUT = 60_000;
/** Candidates that wait for their description; a browser sends a few dozen at most. */
const MAX_WAITING_CANDIDATES = 256;
/** What the other page says about files before this one carries any: its limit and its offers. */
const MAX_WAITING_FILE_MESSAGES = 64;

export type Phase =
  /** The offer is out. */
  | "calling"
  /** Both descriptions are there or on their way. */
  | "connecting"
  /** Texts can pass. */
  | "open"
  | "over";

/** Why a call is over. */
export type CallEnd =
  | "hung-up" // by the person here
  | "left"
  | "declined"
  | "busy"
  | "unavailable" // nobody has that login
  | "undeliverable" // the service could not pass a frame on
  | "unreadable" // the service could not read the offer, because of the other's login
  | "no-answer"
  | "no-connection" // both are there, and no way between them was found
  | "lost" // it was open, and no sign of life came any more
  | "garbled" // the other page sent what cannot be read
  | "superseded"; // another call of the same two takes its place

export interface CallListener {
  opened(call: Call): void;
  received(call: Call, text: string): void;
  delivered(call: Call, letters: Letter[]): void;
  sent(call: Call, letters: Letter[]): void;
  /** The person there has seen these ids' texts, and all before. */
  read(call: Call, id: number): void;
  typing(call: Call, typing: boolean): void;
  /** The certificate with this fingerprint will follow the one that the other has now. */
  next(call: Call, fingerprint: string): void;
  /** The connection is in trouble, or no longer: `call.reconnecting`. */
  troubled(call: Call): void;
  ended(call: Call, end: CallEnd): void;
}

export interface CallOptions {
  id: string;
  /** The other's login, as it is shown. */
  peer: string;
  /** The other is a client that does not number its calls, and so knows no framing either. */
  bare: boolean;
  outgoing: boolean;
  configuration: RTCConfiguration;
  correspondence: Correspondence;
  /** Sends by way of the service. Returns the frame as sent; undefined: it could not be. */
  send: (frame: Outgoing) => string | undefined;
  /** Whether the service can be reached now. */
  reachable: () => boolean;
  listener: CallListener;
}

/**
 * One call: from the offer to the end of its RTCPeerConnection, which it owns. It is made by Calls, and
 * ended by either side, by a timer or by the loss of the connection; then `ended` is called, once.
 */
export class Call {
  readonly id: string;
  readonly outgoing: boolean;
  peer: string;
  phase: Phase;
  /** Whether texts could pass at some time. */
  wasOpen = false;
  /** Whether the connection is in trouble: nothing gets through, and a way around is looked for. */
  reconnecting = false;
  /** Whether the service could not be reached at some time since the trouble began, or just before: it may be this side's network. */
  wasAway = false;
  readonly journal = new Journal();
  #bare: boolean;
  readonly #connection: RTCPeerConnection;
  #channel: PeerChannel | undefined;
  /** The channel for the bytes of files; undefined with a peer without framing. */
  #bulk: RTCDataChannel | undefined;
  #transfers: Transfers | undefined;
  #link: FileLink | undefined;
  #earlyFiles: FileMessage[] = [];
  /** Own candidates, until the other side has shown that it is there and has our description. */
  #held: RTCIceCandidateInit[] | undefined = [];
  /** The other's candidates, until its description is set. */
  #early: RTCIceCandidateInit[] | undefined = [];
  /** Steps on the connection, one after the other in the order of their frames. */
  #steps: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout>;
  /** Watches over a connection in trouble. */
  #trouble: { timer: ReturnType<typeof setInterval>; since: number; answerBy: number; answered: boolean } | undefined;
  /** An offer of this side is on its way to being answered. */
  #offering = false;
  #offeredAt = 0;
  /** When the service could not be reached for the last time. */
  #lastAway = -Infinity;
  /** A restart is due as soon as the service can be reached. */
  #restartDue = false;

  constructor(private readonly options: CallOptions) {
    this.id = options.id;
    this.peer = options.peer;
    this.outgoing = options.outgoing;
    this.#bare = options.bare;
    this.phase = options.outgoing ? "calling" : "connecting";
    const connection = connect(options.configuration);
    this.#connection = connection;
    connection.onicecandidate = ({ candidate }) => {
      if (candidate !== null && candidate.candidate !== "") this.#found(candidate.toJSON());
    };
    connection.onconnectionstatechange = () => {
      switch (connection.connectionState) {
        case "connected":
          return this.#recovered();
        case "disconnected":
          if (this.phase === "open") this.#inTrouble();
          return;
        case "failed":
          if (this.phase !== "open") this.#failed();
          else if (this.#trouble === undefined) this.#inTrouble();
          else this.restart(); // The way was still blocked when it was looked for: Firefox gives up after 5 s.
      }
    };
    connection.ondatachannel = ({ channel }) => this.#announced(channel);
    if (options.bare) this.#goBare();
    else {
      const channel = connection.createDataChannel("p2p-messaging", { negotiated: true, id: CHANNEL_ID });
      this.#channel = new FramedChannel(channel, options.correspondence, this.#listen(), () => this.#pulse());
      this.#bulk = connection.createDataChannel("p2p-messaging-files", { negotiated: true, id: BULK_ID });
    }
    this.#timer = setTimeout(() => this.#timedOut(), SETUP_TIMEOUT);
  }

  /** Whether the other is a client without framing. */
  get bare(): boolean {
    return this.#bare;
  }

  /** Sends the offer. */
  offer(): void {
    this.#step(() => this.#offer());
  }

  async #offer(): Promise<void> {
    this.#offering = true;
    await this.#connection.setLocalDescription();
    const { sdp } = this.#connection.localDescription!;
    this.#offeredAt = performance.now();
    this.#send({ type: "offer", offer: { type: "offer", sdp } });
  }

  /** Answers an offer: the one that this call began with, or a later one of the same connection. */
  answer(sdp: string): void {
    this.#step(async () => {
      // Both have restarted in the same instant: who called goes on, the other takes its own offer back.
      const crossed = this.#offering && performance.now() - this.#offeredAt < SAME_INSTANT;
      if (crossed && this.outgoing && this.phase === "open") return;
      await this.#describe({ type: "offer", sdp });
      this.#offering = false;
      this.#restartDue = false;
      if (this.#trouble !== undefined) this.#answered(this.#trouble);
      await this.#connection.setLocalDescription();
      const answer = this.#connection.localDescription!;
      this.#send({ type: "answer", answer: { type: "answer", sdp: answer.sdp } });
      this.#release();
    });
  }

  /** The other has answered. */
  answered(sdp: string, bare: boolean): void {
    if (this.phase === "calling") this.phase = "connecting";
    if (bare && !this.#bare) this.#goBare();
    this.#step(async () => {
      if (!this.#offering) return; // Twice, or to an offer that was taken back.
      await this.#describe({ type: "answer", sdp });
      this.#offering = false;
      if (this.#trouble !== undefined) this.#answered(this.#trouble);
      this.#release();
    });
  }

  /** The other can be reached in this way too. */
  candidate(candidate: RTCIceCandidateInit): void {
    this.#step(async () => {
      if (this.#early === undefined) await this.#add(candidate);
      else if (this.#early.length < MAX_WAITING_CANDIDATES) this.#early.push(candidate);
    });
  }

  /** Whether an offer comes from the same connection of the other side, and so renegotiates this one. */
  continues(sdp: string): boolean {
    const known = this.fingerprints?.peer;
    return known !== undefined && known === fingerprintOf(sdp);
  }

  /** What the two ends prove to be, once both descriptions are there. */
  get fingerprints(): Fingerprints | undefined {
    const own = fingerprintOf(this.#connection.localDescription?.sdp);
    const peer = fingerprintOf(this.#connection.remoteDescription?.sdp);
    return own === undefined || peer === undefined ? undefined : { own, peer };
  }

  /** How the two ends are connected. */
  async figures(): Promise<ConnectionFigures> {
    return figuresOf(await this.#connection.getStats());
  }

  /** What the person sends may pass. */
  admit(): void {
    this.#channel?.admit();
  }

  /** Makes known which certificate will follow this page's. */
  announce(fingerprint: string): void {
    if (this.#channel instanceof FramedChannel) this.#channel.sendNext(fingerprint);
  }

  /** The person has seen all texts that have come. */
  markRead(): void {
    if (this.phase === "open") this.#channel?.sendRead();
  }

  /** The person types, or has stopped. */
  typing(typing: boolean): void {
    if (this.phase === "open") this.#channel?.sendTyping(typing);
  }

  /** Looks for a way to the other side anew (ICE restart, RFC 8445, section 2.4): the network has changed. */
  restart(): void {
    if (this.phase !== "open" || this.#bare) return;
    // An offer that is out tells the other side of a network that may be gone.
    this.#offering = false;
    this.#restartDue = true;
    this.#restartNow();
  }

  /** The service can be reached again. */
  serviceReady(): void {
    this.#lastAway = performance.now();
    // What was sent just before the service went away may never have reached it.
    if (this.phase === "open" && this.#offering) this.restart();
    else this.#restartNow();
  }

  #restartNow(): void {
    if (!this.#restartDue || this.phase !== "open" || !this.options.reachable()) return;
    this.#step(async () => {
      if (!this.#restartDue || !this.options.reachable()) return;
      this.#restartDue = false;
      this.#connection.restartIce();
      await this.#offer();
    });
  }

  #inTrouble(): void {
    if (this.phase !== "open" || this.#trouble !== undefined) return;
    const now = performance.now();
    const timer = setInterval(() => this.#lookAtTrouble(), TROUBLE_LOOK);
    this.#trouble = { timer, since: now, answerBy: now + RESTART_ANSWER, answered: false };
    this.reconnecting = true;
    this.wasAway = !this.options.reachable() || now - this.#lastAway < AWAY_BEFORE;
    this.options.listener.troubled(this);
    this.restart();
  }

  /** The other side is there: what it has answered gets the time that it needs, with all further attempts. */
  #answered(trouble: { answerBy: number; answered: boolean }): void {
    if (trouble.answered) return;
    trouble.answered = true;
    trouble.answerBy = performance.now() + RESTART_TIMEOUT;
  }

  #lookAtTrouble(): void {
    const trouble = this.#trouble;
    if (trouble === undefined) return;
    const now = performance.now();
    if (!this.options.reachable()) {
      // Nobody could answer now.
      this.wasAway = true;
      this.#restartDue = true;
      this.#offering = false;
      trouble.answered = false;
      trouble.answerBy = now + RESTART_ANSWER;
    }
    if (now >= trouble.answerBy || (!trouble.answered && now - trouble.since >= AWAY_TIMEOUT)) this.end("lost", "lost");
  }

  #recovered(): void {
    if (this.#trouble === undefined || this.phase === "over") return;
    if (this.#channel instanceof FramedChannel) this.#channel.forgive();
    clearInterval(this.#trouble.timer);
    this.#trouble = undefined;
    this.reconnecting = false;
    this.options.listener.troubled(this);
  }

  /** The service says that nobody has the other's login any more. */
  unreachable(): void {
    this.#offering = false;
    if (this.#trouble !== undefined && !this.#trouble.answered) this.end("lost");
  }

  /** A letter has been posted to the correspondence. */
  flush(): void {
    if (this.phase === "open") this.#channel?.flush();
  }

  /** From now on this open call carries these files, unless its peer is a client without framing. */
  carry(transfers: Transfers): void {
    const channel = this.#channel;
    const bulk = this.#bulk;
    if (this.phase !== "open" || this.#link !== undefined || !(channel instanceof FramedChannel) || bulk === undefined) return;
    const garbled = () => this.#channelEnded("garbled");
    this.#transfers = transfers;
    this.#link = { instance: `${loginKey(this.peer)} ${channel.peerInstance}`, bulk, control: (message) => channel.sendFile(message), garbled };
    bulk.addEventListener("message", () => channel.signOfLife());
    transfers.attach(this.#link);
    try {
      for (const message of this.#earlyFiles.splice(0)) transfers.receive(message);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      garbled();
    }
  }

  /**
   * Ends the call from this side. `tell` is the reason for the other side; without it nothing is said,
   * because the other side is gone or knows.
   */
  end(end: CallEnd, tell?: ByeReason): void {
    if (this.phase === "over") return;
    this.phase = "over";
    clearTimeout(this.#timer);
    clearInterval(this.#trouble?.timer);
    if (this.#link !== undefined) this.#transfers?.detach(this.#link);
    if (tell !== undefined) this.#send(byeFrame(tell));
    if (this.wasOpen && tell !== undefined) this.#closeAfter(this.#channel?.leave());
    else if (this.wasOpen && end === "left") this.#closeAfter(this.#channel?.close());
    else this.#closeAfter(undefined);
    this.options.listener.ended(this, end);
  }

  /** The other side says, by way of the service, that it has ended the call. */
  bye(reason: ByeReason): void {
    if (this.phase !== "open") return this.end(reason);
    // It has given up what this side still tries to restore; a goodbye on the channel would not come through.
    if (this.reconnecting) return this.end(reason);
    clearTimeout(this.#timer);
    if (!(this.#channel instanceof FramedChannel)) {
      // The channel's end says so too, behind its last texts.
      this.#timer = setTimeout(() => this.end(reason), BYE_ANSWER);
      return;
    }
    // Its goodbye comes on the channel too, unless its page is gone. A page that answers there is not: only the service says so.
    void this.answers().then((there) => {
      if (!there) this.end(reason);
    });
  }

  /** Asks the other page, on the channel, whether it is there. Resolves with whether it has said so within a moment. */
  answers(): Promise<boolean> {
    const channel = this.#channel;
    const canBeAsked = this.phase === "open" && !this.reconnecting && channel instanceof FramedChannel;
    return canBeAsked ? channel.answers(BYE_ANSWER) : Promise.resolve(false);
  }

  /** Closes the connection when its channel has closed, or after a moment. */
  #closeAfter(channelClosed: Promise<void> | undefined): void {
    this.#connection.onconnectionstatechange = null;
    if (channelClosed === undefined) {
      void this.#channel?.close();
      this.#connection.close();
      return;
    }
    const timer = setTimeout(() => this.#connection.close(), FAREWELL);
    void channelClosed.then(() => {
      clearTimeout(timer);
      this.#connection.close();
    });
  }

  #send(frame: ReturnType<typeof byeFrame> | DescriptionFrame | CandidateFrame): void {
    const text = this.options.send({ ...frame, to: this.peer, call: this.id });
    if (text !== undefined) this.journal.add("sent", frame.type, text);
  }

  /**
   * Runs a step when those before it are done. Once the call is over its steps no longer matter: an
   * operation on a closed RTCPeerConnection may never settle.
   */
  #step(step: () => Promise<void>): void {
    this.#steps = this.#steps.then(async () => {
      if (this.phase === "over") return;
      try {
        await step();
      } catch (error) {
        // A call that ended meanwhile has closed its connection, and its steps fail.
        if ((this.phase as Phase) === "over") return;
        if (this.phase === "open") {
          // What could not be renegotiated leaves the connection as it is.
          console.info("a renegotiation fails:", error);
          return;
        }
        console.warn("a call fails:", error);
        this.end("no-connection", "left");
      }
    });
  }

  async #describe(description: RTCSessionDescriptionInit): Promise<void> {
    // Several certificates, or one whose fingerprint is not of a sound kind, would leave open who is there.
    if (fingerprintOf(description.sdp) === undefined) throw new Error("no single sha-256 fingerprint");
    await this.#connection.setRemoteDescription(description);
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const candidate of early) await this.#add(candidate);
  }

  /** One candidate that the browser cannot use leaves the others; the call may well connect by them. */
  async #add(candidate: RTCIceCandidateInit): Promise<void> {
    // Of a restart that was taken back, or that another one has followed.
    const { usernameFragment } = candidate;
    const lines = this.#connection.remoteDescription?.sdp.split(/\r?\n/u) ?? [];
    if (typeof usernameFragment === "string" && !lines.includes(`a=ice-ufrag:${usernameFragment}`)) return;
    try {
      await this.#connection.addIceCandidate(candidate);
    } catch (error) {
      if (this.phase !== "over") console.warn("a candidate of the other side cannot be used:", error);
    }
  }

  #found(candidate: RTCIceCandidateInit): void {
    if (this.phase === "over") return;
    if (this.#held !== undefined) this.#held.push(candidate);
    else this.#sendCandidate(candidate);
  }

  #release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const candidate of held) this.#sendCandidate(candidate);
  }

  #sendCandidate(candidate: RTCIceCandidateInit): void {
    // The original client reads iceCandidate only.
    this.#send({
      type: "ice-candidate",
      "ice-candidate": candidate,
      ...(this.#bare ? { iceCandidate: candidate } : {}),
    });
  }

  /** Turns to the way of clients without framing. */
  #goBare(): void {
    this.#bare = true;
    void this.#channel?.close();
    this.#bulk?.close();
    this.#bulk = undefined;
    const outgoing = this.#connection.createDataChannel(BARE_LABEL);
    this.#channel = new BareChannel(outgoing, this.options.correspondence, this.#listen());
  }

  #announced(channel: RTCDataChannel): void {
    if (this.#bare && this.#channel instanceof BareChannel) this.#channel.listen(channel);
    else channel.close();
  }

  #listen(): ChannelListener {
    const { listener } = this.options;
    return {
      ready: () => {
        if (this.phase === "over") return;
        clearTimeout(this.#timer);
        this.phase = "open";
        this.wasOpen = true;
        listener.opened(this);
      },
      received: (text) => listener.received(this, text),
      delivered: (letters) => listener.delivered(this, letters),
      sent: (letters) => listener.sent(this, letters),
      read: (id) => listener.read(this, id),
      typing: (typing) => listener.typing(this, typing),
      next: (fingerprint) => listener.next(this, fingerprint),
      silent: (gone) => this.#silent(gone),
      alive: () => {
        if (this.#connection.connectionState === "connected") this.#recovered();
      },
      file: (message) => {
        if (this.#link !== undefined) this.#transfers?.receive(message);
        else if (this.#earlyFiles.length < MAX_WAITING_FILE_MESSAGES) this.#earlyFiles.push(message);
      },
      ended: (end) => this.#channelEnded(end),
    };
  }

  /** Counts what has come from the other browser, whether its page is busy or not: SCTP and ICE answer. */
  async #pulse(): Promise<number> {
    let count = 0;
    for (const report of (await this.#connection.getStats()).values()) {
      if (report.type === "candidate-pair") count += (report.bytesReceived ?? 0) + (report.responsesReceived ?? 0);
    }
    return count;
  }

  /** The heartbeat has stopped. Where it was this side that was away, or the other has answered, the trouble has its own time. */
  #silent(gone: boolean): void {
    const trouble = this.#trouble;
    if (trouble === undefined) {
      if (gone) this.end("lost", "lost");
      else this.#inTrouble();
    } else if (gone && !trouble.answered && !this.wasAway && this.options.reachable()) this.end("lost", "lost");
  }

  #channelEnded(end: ChannelEnd): void {
    switch (end) {
      case "goodbye":
        return this.end("left");
      case "lost":
        // Firefox ends the channel where ICE finds no way in time. Who has answered the restart is there: a new call may find one.
        if (this.#trouble?.answered === true) this.wasAway = true;
        return this.end("lost", "lost");
      case "garbled":
        return this.end("garbled", "left");
    }
  }

  #failed(): void {
    this.end("no-connection", "left");
  }

  #timedOut(): void {
    this.end(this.phase === "calling" ? "no-answer" : "no-connection", "left");
  }
}

/** Makes a connection, without the service's servers if the browser can make nothing of them. */
function connect(configuration: RTCConfiguration): RTCPeerConnection {
  try {
    return new RTCPeerConnection(configuration);
  } catch (error) {
    if (!(error instanceof DOMException) || (configuration.iceServers ?? []).length === 0) throw error;
    return new RTCPeerConnection({ ...configuration, iceServers: [] });
  }
}

type DescriptionFrame =
  | { type: "offer"; offer: RTCSessionDescriptionInit }
  | { type: "answer"; answer: RTCSessionDescriptionInit };

interface CandidateFrame {
  type: "ice-candidate";
  "ice-candidate": RTCIceCandidateInit;
  iceCandidate?: RTCIceCandidateInit;
}
