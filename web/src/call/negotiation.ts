import { type FingerprintFault, type Fingerprints, bind, fingerprintOf, hasOnly } from "../identity/fingerprints.js";

/** An offer that comes this soon after this side's own has crossed it. If it comes later, this side's own was lost. In ms. */
const SAME_INSTANT = 2_000;
/** Most candidates that wait for their description. A browser sends a few dozen. */
const MAX_WAITING_CANDIDATES = 256;

/** The call does not show which certificate the other side has. */
export class UnprovenError extends Error {
  constructor(readonly end: FingerprintFault | "other-certificate") {
    super(end);
  }
}

/** A frame of the negotiation, before it is addressed. */
export type NegotiationFrame =
  | { type: "offer"; offer: RTCSessionDescriptionInit; restores?: string }
  | { type: "answer"; answer: RTCSessionDescriptionInit }
  | { type: "ice-candidate"; "ice-candidate": RTCIceCandidateInit; iceCandidate?: RTCIceCandidateInit };

export interface NegotiationOptions {
  connection: RTCPeerConnection;
  /** Whether this side called. When two offers cross, the caller's stands. */
  outgoing: boolean;
  /** The id of the lost call that this one restores. */
  restores: string | undefined;
  /** Whether the other is a client without framing. */
  bare: () => boolean;
  /** Whether signaling frames can go out now. */
  canSignal: () => boolean;
  /** Candidates are about to be gathered anew: the connection takes up the ICE servers of now. */
  gathering: () => void;
  send: (frame: NegotiationFrame) => void;
  /** A description of the other side is set: it is there. */
  described: () => void;
  /** A step has failed. The steps after it still run. */
  failed: (error: unknown) => void;
}

/** Where the offer of this side stands. */
type OwnOffer =
  | { kind: "none" }
  /** The connection is to be restarted as soon as signaling frames can go out. */
  | { kind: "due" }
  /** An offer waits for its answer since `at`, in ms of `performance.now()`. */
  | { kind: "out"; at: number };

/**
 * Negotiates a connection with the other side (JSEP, RFC 8829): exchanges descriptions and candidates, and restarts ICE
 * (RFC 8445, section 2.4). It belongs to one connection, and ends with `close`.
 */
export class Negotiation {
  #closed = false;
  /** What the two ends have proven to be. It is kept for when the connection is closed: Firefox tells nothing of it then. */
  #proven: Fingerprints | undefined;
  #own: OwnOffer = { kind: "none" };
  /** Candidates of this side, until the other side has shown that it is there and has our description; then undefined. */
  #held: RTCIceCandidateInit[] | undefined = [];
  /** Candidates of this side that were sent. */
  readonly #sent: RTCIceCandidateInit[] = [];
  /** Candidates of the other side, until its description is set; then undefined. */
  #early: RTCIceCandidateInit[] | undefined = [];
  /** Steps on the connection run one after the other, in the order of their frames. */
  #steps: Promise<void> = Promise.resolve();

  constructor(private readonly options: NegotiationOptions) {
    options.connection.onicecandidate = ({ candidate }) => {
      if (candidate === null || candidate.candidate === "" || this.#closed) return;
      if (this.#held !== undefined) this.#held.push(candidate.toJSON());
      else this.#sendCandidate(candidate.toJSON());
    };
  }

  /** Whether an offer of this side waits for its answer. */
  get offering(): boolean {
    return this.#own.kind === "out";
  }

  /** What the two ends prove to be, once both descriptions are there. */
  get fingerprints(): Fingerprints | undefined {
    if (this.#closed) return this.#proven;
    const { localDescription, remoteDescription } = this.options.connection;
    const own = fingerprintOf(localDescription?.sdp);
    const peer = fingerprintOf(remoteDescription?.sdp);
    return own === undefined || peer === undefined ? undefined : { own, peer };
  }

  /** Sends an offer. */
  offer(): void {
    this.#step(() => this.#offer());
  }

  /** Answers an offer of the other side. */
  receiveOffer(sdp: string): void {
    this.#step(async () => {
      // Both sides restart in the same instant: the caller's offer stands, and the other side takes its own back.
      const crossed = this.#own.kind === "out" && performance.now() - this.#own.at < SAME_INSTANT;
      if (crossed && this.options.outgoing) return;
      await this.#describe({ type: "offer", sdp });
      this.#own = { kind: "none" };
      this.options.described();
      const { connection } = this.options;
      await connection.setLocalDescription();
      this.options.send({ type: "answer", answer: { type: "answer", sdp: connection.localDescription!.sdp } });
      this.#release();
    });
  }

  /** Takes the answer to the offer of this side. */
  receiveAnswer(sdp: string): void {
    this.#step(async () => {
      const own = this.#own;
      if (own.kind !== "out") return; // The offer was answered before, or taken back.
      await this.#describe({ type: "answer", sdp });
      if (this.#own === own) this.#own = { kind: "none" };
      this.options.described();
      this.#release();
    });
  }

  /** Takes a candidate of the other side. */
  receiveCandidate(candidate: RTCIceCandidateInit): void {
    this.#step(async () => {
      if (this.#early === undefined) await this.#add(candidate);
      else if (this.#early.length < MAX_WAITING_CANDIDATES) this.#early.push(candidate);
    });
  }

  /**
   * Restarts ICE as soon as signaling frames can go out. An offer that waits for its answer no longer counts: it tells of a network
   * that may be gone.
   */
  restart(): void {
    this.restartLater();
    this.restartIfDue();
  }

  /** Restarts ICE at the next `restartIfDue`. */
  restartLater(): void {
    this.#own = { kind: "due" };
  }

  /** Restarts ICE if that is due and signaling frames can go out. */
  restartIfDue(): void {
    const possible = () => this.#own.kind === "due" && this.options.canSignal();
    if (!possible()) return;
    this.#step(async () => {
      if (!possible()) return;
      this.options.gathering();
      this.options.connection.restartIce();
      await this.#offer();
    });
  }

  /** Sends again what the other side may have missed of the first negotiation: the offer or the answer of this side, and its candidates. */
  repeat(): void {
    this.#step(async () => {
      const { localDescription } = this.options.connection;
      if (localDescription === null) return;
      const { type, sdp } = localDescription;
      if (type === "answer") this.options.send({ type, answer: { type, sdp } });
      else if (this.#own.kind === "out") this.#sendOffer(sdp);
      for (const candidate of this.#sent) this.#frameCandidate(candidate);
    });
  }

  /** The offer that waits for its answer will get none. */
  withdraw(): void {
    if (this.#own.kind === "out") this.#own = { kind: "none" };
  }

  /** Ends the negotiation. Steps that wait do not run: an operation on a closed RTCPeerConnection may never settle. */
  close(): void {
    this.#proven = this.fingerprints;
    this.#closed = true;
  }

  #step(step: () => Promise<void>): void {
    this.#steps = this.#steps.then(async () => {
      if (this.#closed) return;
      try {
        await step();
      } catch (error) {
        // After `close` the connection is closed, and steps fail.
        if (!this.#closed) this.options.failed(error);
      }
    });
  }

  async #offer(): Promise<void> {
    const { connection } = this.options;
    this.#own = { kind: "out", at: performance.now() };
    await connection.setLocalDescription();
    this.#sendOffer(connection.localDescription!.sdp);
  }

  #sendOffer(sdp: string): void {
    const { restores } = this.options;
    this.options.send({ type: "offer", offer: { type: "offer", sdp }, ...(restores === undefined ? {} : { restores }) });
  }

  async #describe({ type, sdp }: { type: "offer" | "answer"; sdp: string }): Promise<void> {
    const bound = bind(sdp);
    if (!sdp.startsWith("v=0")) throw new Error("no session description"); // RFC 8866, section 5
    if (typeof bound === "string") throw new UnprovenError(bound);
    const { connection } = this.options;
    if (type === "offer" && connection.remoteDescription) this.options.gathering();
    await connection.setRemoteDescription({ type, sdp: bound.sdp });
    // The browser may have read something else as a fingerprint. It says what it has read.
    if (!hasOnly(connection.remoteDescription?.sdp, bound.fingerprint)) throw new UnprovenError("other-certificate");
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const candidate of early) await this.#add(candidate);
  }

  /** Adds a candidate. If the browser cannot use it, the call may still connect by the others. */
  async #add(candidate: RTCIceCandidateInit): Promise<void> {
    const { connection } = this.options;
    // A candidate of a restart that was taken back, or that another one has followed, is of no use.
    const { usernameFragment } = candidate;
    const lines = connection.remoteDescription?.sdp.split(/\r?\n/u) ?? [];
    if (typeof usernameFragment === "string" && !lines.includes(`a=ice-ufrag:${usernameFragment}`)) return;
    try {
      await connection.addIceCandidate(candidate);
    } catch (error) {
      if (!this.#closed) console.warn("a candidate of the other side cannot be used:", error);
    }
  }

  /** Sends the candidates that were held back. */
  #release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const candidate of held) this.#sendCandidate(candidate);
  }

  #sendCandidate(candidate: RTCIceCandidateInit): void {
    if (this.#sent.length < MAX_WAITING_CANDIDATES) this.#sent.push(candidate);
    this.#frameCandidate(candidate);
  }

  #frameCandidate(candidate: RTCIceCandidateInit): void {
    // The original client reads iceCandidate only.
    const alias = this.options.bare() ? { iceCandidate: candidate } : {};
    this.options.send({ type: "ice-candidate", "ice-candidate": candidate, ...alias });
  }
}
