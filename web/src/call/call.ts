import type { Correspondence, Letter } from "../conversation/correspondence.js";
import type { Transfers } from "../files/transfers.js";
import { type Fingerprints, fingerprintOf, fingerprintOfCertificate } from "../identity/fingerprints.js";
import { type ByeReason, type FrameToSend, byeFrame } from "../signaling/frames.js";
import { Journal } from "../signaling/journal.js";
import { loginKey } from "../signaling/logins.js";
import { BareChannel } from "./bare.js";
import { CallFiles } from "./callfiles.js";
import type { ChannelEnd, ChannelListener } from "./channel.js";
import { closeAfter, connect, reconfigure, statsOf } from "./connection.js";
import { type CallEnd, FAREWELLS } from "./ends.js";
import { FramedChannel } from "./framed.js";
import { Negotiation, UnprovenError, type NegotiationFrame } from "./negotiation.js";
import { NoRoute } from "./noroute.js";
import { Outage, networkAway } from "./outage.js";
import { type ConnectionFigures, figuresOf, peerCertificateOf, pulseOf } from "./stats.js";

/** Id of the negotiated channel for texts. It is high, so that no channel that a peer opens in-band gets the same. */
const CHANNEL_ID = 100;
/** Id of the negotiated channel for the bytes of files. */
const BULK_ID = 101;
/** Label of the channel that clients without framing look for. */
const BARE_LABEL = "messaging-channel";
/** Longest time from the first offer until texts can pass, in ms. */
const SETUP_TIMEOUT = 20_000;
/**
 * How long the other page may take to reply to a probe, in ms. A page that has left is silent, and its goodbye arrives on the channel
 * within this time too, behind its last texts.
 */
const PROBE_TIMEOUT = 800;
/** The same after this page was asleep, when both have much to do, in ms. */
const CHECK_TIMEOUT = 2_000;
/** How long after the service is back the other page may take to come back to it, in ms. */
const PEER_BACK_WITHIN = 10_000;
/** How long this page waits before it sends again what found nobody, in ms. */
const REPEAT_AFTER = 1_000;
/** How long the answer to an offer may take if the other page has it, in ms. */
const ANSWER_WITHIN = 500;

export type Phase =
  /** The offer is out. */
  | "calling"
  /** Both descriptions are there or on their way. */
  | "connecting"
  /** Texts can pass. */
  | "open"
  | "over";

export interface CallListener {
  opened(call: Call): void;
  received(call: Call, text: string): void;
  delivered(call: Call, letters: Letter[]): void;
  sent(call: Call, letters: Letter[]): void;
  /** The person there has seen the text with this id and all before it. */
  read(call: Call, id: number): void;
  typing(call: Call, typing: boolean): void;
  /** The certificate with this fingerprint will follow the one that the other side has now. */
  next(call: Call, fingerprint: string): void;
  /** `call.reconnecting` has changed. */
  reconnectingChanged(call: Call): void;
  ended(call: Call, end: CallEnd): void;
}

export interface CallOptions {
  id: string;
  /** The other's login, as it is shown. */
  peer: string;
  /** Whether the other is a client that does not number its calls. Such a client knows no framing. */
  bare: boolean;
  outgoing: boolean;
  /** The id of the lost call that this one restores. */
  restores?: string | undefined;
  /** What the connection is made with, and what it gets before it is restarted. */
  configuration: () => RTCConfiguration;
  correspondence: Correspondence;
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
  /** The call has ended. Called before `listener.ended`. */
  over: (end: CallEnd) => void;
  listener: CallListener;
}

/** The channels of a call. Which kind they are depends on the other client. */
type Channels = { texts: FramedChannel; files: CallFiles } | { texts: BareChannel; files: undefined };

/**
 * One call, from the offer to the end of its RTCPeerConnection. It owns that connection. `Calls` makes it. Either side, a timer or the
 * loss of the connection ends it. Then `ended` is called once.
 */
export class Call {
  readonly id: string;
  readonly outgoing: boolean;
  peer: string;
  phase: Phase;
  /** Whether texts could pass at some time. */
  wasOpen = false;
  readonly journal = new Journal();
  readonly #connection: RTCPeerConnection;
  readonly #negotiation: Negotiation;
  readonly #noRoute: NoRoute;
  #channels: Channels;
  /** Ends a call that is not set up in time, or that a client without framing has ended. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  #repeatTimer: ReturnType<typeof setTimeout> | undefined;
  /** The last outage, which may still be on. */
  #lastOutage: Outage | undefined;
  /** When the service last became ready again, in ms of `performance.now()`. */
  #serviceBack = -Infinity;

  constructor(private readonly options: CallOptions) {
    this.id = options.id;
    this.peer = options.peer;
    this.outgoing = options.outgoing;
    this.phase = options.outgoing ? "calling" : "connecting";
    const connection = connect(options.configuration());
    this.#connection = connection;
    this.#noRoute = new NoRoute(connection, (failed) => this.#withoutRoute(failed));
    this.#negotiation = new Negotiation({
      connection,
      outgoing: options.outgoing,
      restores: options.restores,
      bare: () => this.bare,
      canSignal: options.canSignal,
      gathering: () => (this.#noRoute.stop(), reconfigure(connection, options.configuration())),
      send: (frame) => this.#send(frame),
      described: () => {
        if (this.phase !== "over") this.#noRoute.described();
        this.#outage?.respond();
      },
      failed: (error) => this.#negotiationFailed(error),
    });
    connection.onconnectionstatechange = () => this.#connectionChanged();
    connection.ondatachannel = ({ channel }) => {
      const { texts } = this.#channels;
      if (texts instanceof BareChannel) texts.listen(channel);
      else channel.close();
    };
    this.#channels = options.bare ? this.#bareChannels() : this.#framedChannels();
    this.#limitSetup();
  }

  /** Whether the other is a client without framing. */
  get bare(): boolean {
    return this.#channels.texts instanceof BareChannel;
  }

  /** Whether this open call's connection is in trouble and being restarted. */
  get reconnecting(): boolean {
    return this.#outage !== undefined;
  }

  /** The outage that is on. */
  get #outage(): Outage | undefined {
    return this.phase === "open" && this.#lastOutage?.on === true ? this.#lastOutage : undefined;
  }

  /** Whether the connection, as it is configured now, may use only relays. */
  get relayOnly(): boolean {
    return this.#connection.getConfiguration().iceTransportPolicy === "relay";
  }

  /** Whether this call is being set up. */
  get settingUp(): boolean {
    return this.phase === "calling" || this.phase === "connecting";
  }

  /** What the two ends prove to be, once both descriptions are there. */
  get fingerprints(): Fingerprints | undefined {
    return this.#negotiation.fingerprints;
  }

  /**
   * Whether the other end of this open call has shown another certificate than its description names. The browser checks that too. This
   * makes sure that the browser has checked what the page compares.
   */
  async showsAnother(): Promise<boolean> {
    const der = peerCertificateOf(await statsOf(this.#connection));
    return der !== undefined && fingerprintOfCertificate(der) !== this.fingerprints?.peer;
  }

  /** How the two ends are connected. */
  async figures(): Promise<ConnectionFigures> {
    return figuresOf(await this.#connection.getStats());
  }

  /** Sends the offer. */
  offer(): void {
    this.#negotiation.offer();
  }

  /** Answers an offer of the other side: the one that this call began with, or a later one of the same connection. */
  receiveOffer(sdp: string): void {
    this.#negotiation.receiveOffer(sdp);
  }

  /** The answer of the other side has come. @param bare it is a client without framing */
  receiveAnswer(sdp: string, bare: boolean): void {
    if (this.phase === "calling") this.phase = "connecting";
    if (bare && !this.bare) {
      void this.#channels.texts.close();
      this.#channels.files?.close();
      this.#channels = this.#bareChannels();
    }
    this.#negotiation.receiveAnswer(sdp);
  }

  /** A candidate of the other side has come. */
  receiveCandidate(candidate: RTCIceCandidateInit): void {
    this.#negotiation.receiveCandidate(candidate);
  }

  /** The other side says, by way of the service, that it has ended the call. */
  receiveBye(reason: ByeReason): void {
    if (reason === "lost" && !this.wasOpen) return this.#over("no-connection");
    // While this side reconnects, a goodbye on the channel would not come through.
    if (this.phase !== "open" || this.reconnecting) return this.#over(reason);
    clearTimeout(this.#timer);
    if (this.bare) {
      // The end of the channel says so too, behind its last texts.
      this.#timer = setTimeout(() => this.#over(reason), PROBE_TIMEOUT);
      return;
    }
    // The goodbye comes on the channel too, unless the page is gone. A page that replies has not left, although the service says so.
    void this.probe().then((there) => {
      if (!there) this.#over(reason);
    });
  }

  /** Whether an offer or an answer has the certificate of this call's other end. If so, it renegotiates this call. */
  continues(sdp: string): boolean {
    const known = this.fingerprints?.peer;
    return known !== undefined && known === fingerprintOf(sdp);
  }

  /** Lets the other side in: what the person sends may pass. */
  admit(): void {
    this.#channels.texts.admit();
  }

  /** Tells the other page which certificate will follow this page's. */
  announce(fingerprint: string): void {
    const { texts } = this.#channels;
    if (texts instanceof FramedChannel) texts.sendNext(fingerprint);
  }

  /** The person has seen all texts that have come. */
  markRead(): void {
    if (this.phase === "open") this.#channels.texts.sendRead();
  }

  /** The person types, or has stopped. */
  typing(typing: boolean): void {
    if (this.phase === "open") this.#channels.texts.sendTyping(typing);
  }

  /** Sends the letters that were posted to the correspondence. */
  flush(): void {
    if (this.phase === "open") this.#channels.texts.flush();
  }

  /** From now on this open call carries these files, unless its peer is a client without framing. */
  carry(transfers: Transfers): void {
    const { texts, files } = this.#channels;
    if (this.phase === "open") files?.carry(transfers, texts, loginKey(this.peer), () => this.#channelEnded("garbled"));
  }

  /** Asks the other page, on the channel, whether it is there. Resolves with whether it replied in time. */
  async probe(): Promise<boolean> {
    const { texts } = this.#channels;
    return this.phase === "open" && !this.reconnecting && texts instanceof FramedChannel && texts.probe(PROBE_TIMEOUT);
  }

  /** This page was asleep, so that the connection may be in trouble: finds out. */
  async check(): Promise<void> {
    const { texts } = this.#channels;
    if (this.phase !== "open" || this.reconnecting || !(texts instanceof FramedChannel)) return;
    if (!(await texts.probe(CHECK_TIMEOUT))) this.#inTrouble();
  }

  /**
   * Restarts the connection (ICE restart, RFC 8445, section 2.4), because the network has changed for instance. A client without
   * framing knows no restart.
   */
  restart(): void {
    if (this.phase === "open" && !this.bare) this.#negotiation.restart();
  }

  /**
   * The service is ready again, on another connection.
   * @param kept what was sent on the one before has arrived, or will. Otherwise it may not have
   */
  serviceReady(kept = false): void {
    this.#serviceBack = performance.now();
    if (this.settingUp) {
      this.#limitSetup();
      if (!kept) this.#negotiation.repeat();
    }
    if (this.bare) return;
    // An offer that was sent just before the service went away may not have arrived.
    if (this.phase === "open" && !kept && this.#negotiation.offering) this.restart();
    else this.#negotiation.restartIfDue();
  }

  /**
   * The other page is back at the service, or has called in the same instant. It may have missed what this one sent, if that went to a
   * connection that was dead.
   */
  missed(): void {
    if (this.phase === "calling") this.#repeatAfter(ANSWER_WITHIN);
  }

  /** The service says that the other's login is not there (`peer-unavailable`). */
  peerUnavailable(): void {
    if (this.settingUp) {
      // The other page may come back to the service a little later than this one.
      if (performance.now() - this.#serviceBack >= PEER_BACK_WITHIN) return this.end(this.phase === "calling" ? "unavailable" : "left");
      return this.#repeatAfter(REPEAT_AFTER);
    }
    this.#negotiation.withdraw();
    const outage = this.#outage;
    if (outage?.responded === false) this.#over(outage.away ? "lost" : "gone");
  }

  /** Ends the call from this side, and tells the other side what `FAREWELLS` says. */
  end(end: CallEnd): void {
    this.#over(end, FAREWELLS[end]);
  }

  /** Sends again what belongs to the setup, if that has got no further by then. @param wait in ms */
  #repeatAfter(wait: number): void {
    const { phase } = this;
    clearTimeout(this.#repeatTimer);
    this.#repeatTimer = setTimeout(() => this.phase === phase && this.#negotiation.repeat(), wait);
  }

  /** Ends the call if it is not set up in time from now on. */
  #limitSetup(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const { canSignal, doubted } = this.options;
      if (!canSignal() || doubted()) this.end("unreached");
      else this.end(this.phase === "calling" ? "no-answer" : "no-connection");
    }, SETUP_TIMEOUT);
  }

  /** @param farewell what the other side is told; undefined: nothing, because it or the service said that the call is over */
  #over(end: CallEnd, farewell?: ByeReason): void {
    if (this.phase === "over") return;
    this.phase = "over";
    clearTimeout(this.#timer);
    clearTimeout(this.#repeatTimer);
    this.#noRoute.stop();
    this.#lastOutage?.stop();
    this.#channels.files?.detach();
    if (farewell !== undefined) this.#send(byeFrame(farewell));
    this.#close(end, farewell !== undefined);
    this.options.over(end);
    this.options.listener.ended(this, end);
  }

  /** Closes the channels and the connection. What was sent on them goes out first if it can still arrive. */
  #close(end: CallEnd, told: boolean): void {
    const connection = this.#connection;
    const { texts } = this.#channels;
    connection.onconnectionstatechange = null;
    this.#negotiation.close();
    // A goodbye says that the person has left. It may still arrive after a call was lost, and would keep the other page from restoring it.
    if (this.wasOpen && told && end !== "lost" && end !== "rerouted") void closeAfter(texts.leave("goodbye"), connection);
    else if (this.wasOpen && end === "unloaded") void closeAfter(texts.leave("away"), connection);
    else if (this.wasOpen && (told || end === "left" || end === "away")) void closeAfter(texts.close(), connection);
    else {
      void texts.close();
      connection.close();
    }
  }

  #send(frame: ReturnType<typeof byeFrame> | NegotiationFrame): void {
    const text = this.options.send({ ...frame, to: this.peer, call: this.id });
    if (text !== undefined) this.journal.add("sent", frame.type, text);
  }

  #negotiationFailed(error: unknown): void {
    const unproven = error instanceof UnprovenError ? error.end : undefined;
    if (this.phase === "open" && unproven !== "other-certificate") {
      // A renegotiation that fails leaves the connection as it is.
      console.info("a renegotiation fails:", error);
      return;
    }
    if (unproven === undefined) console.warn("a call fails:", error);
    this.end(unproven ?? "no-connection");
  }

  #connectionChanged(): void {
    switch (this.#connection.connectionState) {
      case "connected":
        this.#noRoute.stop();
        return this.#reconnected();
      case "disconnected":
        return this.#inTrouble();
      case "failed":
        if (this.phase === "open" && !this.reconnecting) this.#inTrouble();
        else this.#noRoute.failed();
    }
  }

  /** @param failed when the connection has failed, in ms of `performance.now()` */
  #withoutRoute(failed: number): void {
    const away = networkAway({ ...this.options, serviceBack: () => this.#serviceBack }, failed, PEER_BACK_WITHIN);
    if (this.settingUp && !this.bare && away) this.#negotiation.restart();
    else if (this.phase !== "open") this.end("no-connection");
    else if (this.reconnecting) this.restart(); // ICE found no route yet.
  }

  #inTrouble(): void {
    if (this.phase !== "open" || this.reconnecting) return;
    this.#lastOutage = new Outage({
      serviceBack: () => this.#serviceBack,
      canSignal: this.options.canSignal,
      doubted: this.options.doubted,
      postponed: () => {
        if (!this.options.keeps() || !this.#negotiation.offering) this.#negotiation.restartLater();
      },
      givenUp: () => this.end("lost"),
    });
    this.options.hurry();
    this.options.listener.reconnectingChanged(this);
    this.restart();
  }

  #reconnected(): void {
    const outage = this.#outage;
    if (outage === undefined) return;
    outage.stop();
    const { texts } = this.#channels;
    if (texts instanceof FramedChannel) texts.reconnected();
    this.options.listener.reconnectingChanged(this);
  }

  /** Nothing comes from the other side. During an outage only its own time limit counts, unless the other side must be gone. */
  #silent(gone: boolean): void {
    if (!gone) this.#inTrouble();
    else if (this.#outage?.peerSilent !== false) this.end("lost");
  }

  #framedChannels(): Channels {
    const connection = this.#connection;
    const texts = connection.createDataChannel("p2p-messaging", { negotiated: true, id: CHANNEL_ID });
    const bulk = connection.createDataChannel("p2p-messaging-files", { negotiated: true, id: BULK_ID });
    const pulse = async () => pulseOf(await statsOf(connection));
    return { texts: new FramedChannel(texts, this.options.correspondence, this.#listen(), pulse), files: new CallFiles(bulk) };
  }

  #bareChannels(): Channels {
    const outgoing = this.#connection.createDataChannel(BARE_LABEL);
    return { texts: new BareChannel(outgoing, this.options.correspondence, this.#listen()), files: undefined };
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
      late: this.options.hurry,
      silent: (gone) => this.#silent(gone),
      alive: () => {
        if (this.#connection.connectionState === "connected") this.#reconnected();
      },
      file: (message) => this.#channels.files?.receive(message),
      ended: (end) => this.#channelEnded(end),
    };
  }

  #channelEnded(end: ChannelEnd): void {
    this.end(end === "goodbye" ? "left" : end);
  }
}
