import { safeName } from "./files.js";
import { FrameError, type FileMessage, MAX_NAME_LENGTH, MAX_OFFERS, type WithdrawReason } from "./frames.js";
import { type End, type Reporter, forgetOldest } from "./moving.js";
import { Outgoing } from "./outgoing.js";
import { Pump } from "./pump.js";
import type { FileSession } from "./session.js";
import type { Transfer } from "./transfer.js";

/** What a receiver says about files. */
export type ReceiverMessage = Extract<FileMessage, { file: "accept" | "decline" | "progress" | "received" | "cancel" }>;

/** The files that this page sends to another: offers, the receiver's answers, and their bytes. */
export class Outbox {
  readonly #files = new Map<number, Outgoing>();
  readonly #pump: Pump;
  #lastId = 0;

  /**
   * @param session returns the current session
   * @param broken is called when a session's link takes no more messages
   */
  constructor(
    private readonly session: () => FileSession | undefined,
    private readonly reporter: Reporter,
    broken: (session: FileSession) => void,
  ) {
    this.#pump = new Pump({
      session,
      next: () => this.files.find(({ state }) => state === "accepted"),
      unreadable: (file) => this.#giveUp(file, "unreadable"),
      broken,
    });
  }

  get files(): Outgoing[] {
    return [...this.#files.values()];
  }

  offer(blob: Blob, name: string): Transfer {
    const file = new Outgoing(++this.#lastId, safeName(name), blob, this.reporter);
    this.#files.set(file.id, file);
    void file.look();
    this.#offerNext();
    return file;
  }

  /** The person does not want to send the file any more. */
  cancel(file: Outgoing): void {
    this.#giveUp(file, "person");
  }

  /** The other page has said for the first time which files it takes: unfinished files are offered, again or for the first time. */
  begin({ link }: FileSession): void {
    for (const file of this.#files.values()) {
      const newPage = file.instance !== link.instance;
      if (file.state === "cancelled" || file.state === "failed") {
        // The other side may not have heard that this side has given the file up.
        if (file.ending?.by === "own" && !newPage) {
          link.control({ file: "withdraw", id: file.id, reason: file.state === "cancelled" ? "person" : "unreadable" });
        }
      } else if (!file.over && file.instance !== undefined && newPage) {
        // A page that was reloaded does not know the file.
        file.bytes = 0;
        file.enter("offered");
      }
    }
    this.#offerNext();
  }

  /** The link is gone. */
  detached(): void {
    for (const file of this.#files.values()) {
      if (!file.over && file.state !== "offered") file.pause();
    }
    this.wake();
  }

  /** The link may take bytes again, or is gone. */
  wake(): void {
    this.#pump.wake();
  }

  /** Takes a receiver's message. @throws {FrameError} if the receiver breaks the protocol */
  receive(session: FileSession, message: ReceiverMessage): void {
    const file = this.#files.get(message.id);
    if (file === undefined) throw new FrameError("a file that was never offered");
    const undecided = file.state === "offered" || file.state === "paused";
    switch (message.file) {
      case "accept":
        if (message.offset > file.sent) throw new FrameError("more of a file than was sent");
        if (!session.offered.has(file.id) || !undecided) return;
        file.bytes = message.offset;
        file.enter("accepted");
        this.#offerNext();
        void this.#pump.run();
        return;
      case "decline": {
        if (!undecided) return;
        const { reason } = message;
        const limit = reason === "limit" ? { limit: session.peerLimit ?? 0 } : {};
        this.#end(file, { state: "declined", ending: { by: "peer", reason, ...limit } });
        return;
      }
      case "progress":
        if (message.offset > file.sent) throw new FrameError("more of a file than was sent");
        if (file.state !== "sending" && file.state !== "verifying") return;
        if (message.offset <= file.bytes) return;
        file.moved(message.offset);
        this.wake();
        return;
      case "received":
        if (file.sha256 === undefined) throw new FrameError("a file received that was not sent");
        // If this side has just cancelled the file, that came too late.
        if (file.state === "done") return;
        file.bytes = file.size;
        this.#end(file, { state: "done" });
        return;
      case "cancel": {
        if (file.over) return;
        const { reason } = message;
        this.#end(file, { state: reason === "person" ? "cancelled" : "failed", ending: { by: "peer", reason } });
        return;
      }
    }
  }

  /** Offers as many files as may wait for a decision. */
  #offerNext(): void {
    const session = this.session();
    if (session?.peerLimit === undefined) return;
    const { link, offered, peerLimit } = session;
    const open = this.files.filter(({ over }) => !over);
    let undecided = open.filter(({ id, state }) => offered.has(id) && state === "offered").length;
    for (const file of open) {
      const { id, name, size, type, state } = file;
      if (offered.has(id)) continue;
      // The receiver decides only about files that it has not accepted before.
      if (state === "offered") {
        if (size > peerLimit) {
          this.#finish(file, { state: "declined", ending: { by: "peer", reason: "limit", limit: peerLimit } });
          continue;
        }
        if (++undecided > MAX_OFFERS) return;
      }
      offered.add(id);
      file.instance = link.instance;
      link.control({ file: "offer", id, name: name.slice(0, MAX_NAME_LENGTH), size, type });
    }
  }

  #giveUp(file: Outgoing, reason: WithdrawReason): void {
    const session = this.session();
    if (session?.offered.has(file.id) === true) session.link.control({ file: "withdraw", id: file.id, reason });
    this.#end(file, { state: reason === "person" ? "cancelled" : "failed", ending: { by: "own", reason } });
  }

  /** Ends a file. Another one may take its place. */
  #end(file: Outgoing, end: End): void {
    this.#finish(file, end);
    this.#offerNext();
  }

  #finish(file: Outgoing, end: End): void {
    file.end(end);
    this.wake();
    forgetOldest(this.#files);
  }
}
