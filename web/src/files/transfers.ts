import { FrameError, type FileMessage } from "./frames.js";
import { Inbox } from "./inbox.js";
import { Incoming } from "./incoming.js";
import type { FileLink } from "./link.js";
import type { Reporter } from "./moving.js";
import { Outbox } from "./outbox.js";
import { Outgoing } from "./outgoing.js";
import { BUFFER_LOW } from "./pump.js";
import { FileSession } from "./session.js";
import type { Store } from "./sinks.js";
import type { Transfer } from "./transfer.js";

export interface TransferListener {
  /** The other side has offered a file. It may be declined already. */
  offered(transfer: Transfer): void;
  /** Something about a file has changed. Progress is reported a few times per second at most. */
  changed(transfer: Transfer): void;
  /** `peerLimit` or `ownLimit` has changed. */
  limitChanged(): void;
}

/**
 * The files between this page and another one. Each conversation has one. It survives the loss of a connection,
 * and files continue on the next one where they stopped. It knows neither the page nor WebRTC.
 */
export class Transfers {
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  #session: FileSession | undefined;

  /**
   * @param store where received files go
   * @param now a clock, in ms
   */
  constructor(
    store: Store | Promise<Store>,
    private readonly listener: TransferListener,
    now: () => number = () => performance.now(),
  ) {
    const session = () => this.#session;
    const reporter: Reporter = { changed: (transfer) => listener.changed(transfer), now };
    this.#outbox = new Outbox(session, reporter, ({ link }) => this.detach(link));
    this.#inbox = new Inbox(store, session, reporter, listener);
  }

  /** The largest file that the other page takes, in bytes. It is undefined if that page takes none, and without a connection. */
  get peerLimit(): number | undefined {
    return this.#session?.peerLimit;
  }

  /** The largest file that this page takes, in bytes. It is 0 until there is a connection. */
  get ownLimit(): number {
    return this.#inbox.limit;
  }

  /** Whether closing the page now would interrupt a file. */
  get active(): boolean {
    const files = [...this.#outbox.files, ...this.#inbox.files];
    return files.some(({ state }) => ["accepted", "sending", "receiving", "verifying"].includes(state));
  }

  /** There is a connection to a page that may exchange files with this one. */
  attach(link: FileLink): void {
    if (this.#session !== undefined) this.detach(this.#session.link);
    const session = new FileSession(link);
    this.#session = session;
    const { bulk } = link;
    bulk.binaryType = "arraybuffer";
    bulk.bufferedAmountLowThreshold = BUFFER_LOW;
    bulk.onopen = () => this.#outbox.wake();
    bulk.onbufferedamountlow = () => this.#outbox.wake();
    bulk.onclose = () => this.detach(link);
    bulk.onmessage = ({ data }) => {
      if (session !== this.#session) return;
      try {
        this.#inbox.receiveBytes(session, data);
      } catch (error) {
        if (!(error instanceof FrameError)) throw error;
        link.garbled();
      }
    };
    this.#inbox.attached(session);
  }

  /** The connection is gone. */
  detach(link: FileLink): void {
    if (link !== this.#session?.link) return;
    this.#session = undefined;
    this.#outbox.detached();
    this.#inbox.detached();
  }

  /** There may be more room for received files now, or less. */
  roomChanged(): void {
    void this.#inbox.roomChanged();
  }

  /** Cancels every unfinished file and deletes the received ones. Resolves when their bytes are gone. */
  async close(): Promise<void> {
    if (this.#session !== undefined) this.detach(this.#session.link);
    for (const file of this.#outbox.files) this.cancel(file);
    await this.#inbox.close();
  }

  /** Offers a file under a name. The caller has compared its size with `peerLimit`. */
  offer(file: Blob, name: string): Transfer {
    return this.#outbox.offer(file, name);
  }

  /** The person wants the file that was offered. */
  accept(transfer: Transfer): void {
    if (transfer instanceof Incoming) this.#inbox.accept(transfer);
  }

  /** The person does not want the file that was offered. */
  decline(transfer: Transfer): void {
    if (transfer instanceof Incoming) this.#inbox.decline(transfer);
  }

  /** The person does not want to send or receive the file any more. */
  cancel(transfer: Transfer): void {
    if (transfer.over) return;
    if (transfer instanceof Outgoing) this.#outbox.cancel(transfer);
    else if (transfer instanceof Incoming) this.#inbox.cancel(transfer);
  }

  /** Takes a control frame. @throws {FrameError} if the other page breaks the protocol */
  receive(message: FileMessage): void {
    const session = this.#session;
    if (session === undefined) return;
    switch (message.file) {
      case "limit": {
        const first = session.peerLimit === undefined;
        session.peerLimit = message.bytes;
        this.listener.limitChanged();
        if (first) this.#outbox.begin(session);
        return;
      }
      case "offer":
      case "done":
      case "withdraw":
        return this.#inbox.receive(session, message);
      default:
        return this.#outbox.receive(session, message);
    }
  }
}
