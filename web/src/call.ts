import { BareChannel, type ChannelEnd, type ChannelListener, FramedChannel, type PeerChannel } from "./channel.js";
import type { Correspondence, Letter } from "./correspondence.js";
import type { FileMessage } from "./fileframes.js";
import { FrameError } from "./framing.js";
import type { ByeReason, Outgoing } from "./signaling.js";
import type { FileLink, Transfers } from "./transfers.js";

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
/** How long a bye from the service waits for what is still on its way on the channel, in ms. */
const LAST_TEXTS = 300;
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
  send: (frame: Outgoing) => void;
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

  constructor(private readonly options: CallOptions) {
    this.id = options.id;
    this.peer = options.peer;
    this.outgoing = options.outgoing;
    this.#bare = options.bare;
    this.phase = options.outgoing ? "calling" : "connecting";
    const connection = new RTCPeerConnection(options.configuration);
    this.#connection = connection;
    connection.onicecandidate = ({ candidate }) => {
      if (candidate !== null && candidate.candidate !== "") this.#found(candidate.toJSON());
    };
    connection.onconnectionstatechange = () => {
      if (connection.connectionState === "failed") this.#failed();
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
    this.#step(async () => {
      await this.#connection.setLocalDescription();
      const { sdp } = this.#connection.localDescription!;
      this.#send({ type: "offer", offer: { type: "offer", sdp } });
    });
  }

  /** Answers an offer: the one that this call began with, or a later one of the same connection. */
  answer(sdp: string): void {
    this.#step(async () => {
      await this.#describe({ type: "offer", sdp });
      await this.#connection.setLocalDescription();
      const answer = this.#connection.localDescription!;
      this.#send({ type: "answer", answer: { type: "answer", sdp: answer.sdp } });
      this.#release();
    });
  }

  /** The other has answered. */
  answered(sdp: string, bare: boolean): void {
    this.phase = "connecting";
    if (bare && !this.#bare) this.#goBare();
    this.#step(async () => {
      await this.#describe({ type: "answer", sdp });
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
    const fingerprint = /^a=fingerprint:.*$/mu;
    const known = this.#connection.remoteDescription?.sdp.match(fingerprint)?.[0].trim();
    return known !== undefined && known === sdp.match(fingerprint)?.[0].trim();
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
    this.#link = { instance: channel.peerInstance, bulk, control: (message) => channel.sendFile(message), garbled };
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
    if (this.#link !== undefined) this.#transfers?.detach(this.#link);
    if (tell !== undefined) this.#send({ type: "bye", reason: tell });
    if (this.wasOpen && tell !== undefined) this.#closeAfter(this.#channel?.leave());
    else if (this.wasOpen && end === "left") this.#closeAfter(this.#channel?.close());
    else this.#closeAfter(undefined);
    this.options.listener.ended(this, end);
  }

  /** The other side says, by way of the service, that it has ended the call. */
  bye(reason: ByeReason): void {
    if (this.phase !== "open") return this.end(reason);
    // Its goodbye comes on the channel too, behind its last texts, unless its page is gone.
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.end(reason), LAST_TEXTS);
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

  #send(frame: { type: "bye"; reason: ByeReason } | DescriptionFrame | CandidateFrame): void {
    this.options.send({ ...frame, to: this.peer, call: this.id });
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
        console.warn("a call fails:", error);
        this.end(this.phase === "open" ? "garbled" : "no-connection", "left");
      }
    });
  }

  async #describe(description: RTCSessionDescriptionInit): Promise<void> {
    await this.#connection.setRemoteDescription(description);
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const candidate of early) await this.#add(candidate);
  }

  /** One candidate that the browser cannot use leaves the others; the call may well connect by them. */
  async #add(candidate: RTCIceCandidateInit): Promise<void> {
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

  #channelEnded(end: ChannelEnd): void {
    switch (end) {
      case "goodbye":
        return this.end("left");
      case "lost":
        return this.#failed();
      case "garbled":
        return this.end("garbled", "left");
    }
  }

  #failed(): void {
    this.end(this.phase === "open" ? "lost" : "no-connection", "left");
  }

  #timedOut(): void {
    this.end(this.phase === "calling" ? "no-answer" : "no-connection", "left");
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
