import { BlockWriter } from "./blocks.js";
import { type CancelReason, FrameError, type FileMessage, MAX_OFFERS, MAX_WITHDRAWN, WINDOW, decodeChunk } from "./frames.js";
import { Incoming } from "./incoming.js";
import { type End, type Reporter, forgetOldest } from "./moving.js";
import type { FileRequest, FileSession } from "./session.js";
import type { Sink, Store } from "./sinks.js";
import type { Transfer } from "./transfer.js";

/** What a sender says about files. */
export type SenderMessage = Extract<FileMessage, { file: "offer" | "done" | "withdraw" }>;

export interface InboxListener {
  /** The other page has offered a file. It may be declined already. */
  offered(file: Transfer): void;
  /** `Inbox.limit` has changed. */
  limitChanged(): void;
}

/** The files that another page sends to this one: its offers, the person's decisions, bytes and checks. */
export class Inbox {
  /** The largest file that this page takes, in bytes. It is 0 until the first session. */
  limit = 0;
  readonly #files = new Map<number, Incoming>();
  /** The page that has sent #files. */
  #instance: string | undefined;
  /** The sinks of files that were received or are on their way, those from earlier pages of the other side included. */
  readonly #sinks = new Set<Sink>();

  /**
   * @param store where received files go
   * @param session returns the current session
   */
  constructor(
    private readonly store: Store | Promise<Store>,
    private readonly session: () => FileSession | undefined,
    private readonly reporter: Reporter,
    private readonly listener: InboxListener,
  ) {}

  get files(): Incoming[] {
    return [...this.#files.values()];
  }

  /** A session has begun. */
  attached(session: FileSession): void {
    const { instance } = session.link;
    if (this.#instance !== instance) {
      for (const file of this.#files.values()) {
        if (!file.over) this.#end(file, { state: "failed", ending: { by: "peer", reason: "gone" } });
      }
      this.#files.clear();
      this.#instance = instance;
    }
    void this.roomChanged();
  }

  /** The link is gone. A file that is complete can be verified without one. */
  detached(): void {
    for (const file of this.#files.values()) {
      if (file.state === "accepted" || file.state === "receiving") file.pause();
    }
  }

  /** The person wants the file. */
  accept(file: Incoming): void {
    if (file.state !== "offered") return;
    file.enter("accepted");
    void this.#open(file);
  }

  /** The person does not want the file. */
  decline(file: Incoming): void {
    if (file.state !== "offered") return;
    this.session()?.link.control({ file: "decline", id: file.id, reason: "person" });
    this.#end(file, { state: "declined", ending: { by: "own", reason: "person" } });
  }

  /** The person does not want the file any more. */
  cancel(file: Incoming): void {
    this.#giveUp(file, "person");
  }

  /** Cancels every unfinished file and deletes the received ones. Resolves when their bytes are gone. */
  async close(): Promise<void> {
    const sinks = [...this.#sinks];
    for (const file of this.#files.values()) if (!file.over) this.cancel(file);
    this.#sinks.clear();
    await Promise.all(sinks.map((sink) => sink.discard()));
  }

  /** Takes a sender's message. @throws {FrameError} if the sender breaks the protocol */
  receive(session: FileSession, message: SenderMessage): void {
    if (message.file === "offer") return this.#offered(session, message);
    const file = this.#files.get(message.id);
    if (file === undefined) return;
    if (message.file === "withdraw") {
      const { reason } = message;
      if (file.state === "offered") session.withdrawn++;
      if (!file.over) this.#end(file, { state: reason === "person" ? "cancelled" : "failed", ending: { by: "peer", reason } });
      return;
    }
    const request = session.requests.get(file.id);
    if (request === undefined) return;
    request.sha256 = message.sha256;
    void this.#verify(file, request);
  }

  /** Takes a message of the bulk channel. @throws {FrameError} if this page has not asked for it */
  receiveBytes(session: FileSession, data: unknown): void {
    const { id, part } = decodeChunk(data);
    const file = this.#files.get(id);
    const request = session.requests.get(id);
    if (file === undefined || request === undefined) throw new FrameError("bytes that nobody asked for");
    const { writer } = file;
    if (writer === undefined || file.state === "verifying") return;
    if (part.length === 0) {
      request.ended = true;
      void this.#verify(file, request);
      return;
    }
    const tooMany = request.ended || writer.received + part.length > file.size;
    // A sender that ignores the window would fill the memory.
    const tooFast = writer.received - file.bytes > 2 * WINDOW;
    if (tooMany || tooFast) return this.#giveUp(file, "damaged");
    if (file.state !== "receiving") file.enter("receiving");
    writer.add(part);
  }

  /** There may be more room for files now, or less: tells the other page. */
  async roomChanged(): Promise<void> {
    const session = this.session();
    if (session === undefined) return;
    let limit = 0;
    try {
      limit = await (await this.store).limit();
    } catch {
      // If the disk cannot answer, it cannot keep a file either.
    }
    if (session !== this.session() || (session.limitSent && limit === this.limit)) return;
    this.limit = limit;
    session.limitSent = true;
    session.link.control({ file: "limit", bytes: limit });
    this.listener.limitChanged();
  }

  #offered(session: FileSession, { id, name, size, type }: SenderMessage & { file: "offer" }): void {
    const { link, offers } = session;
    const known = this.#files.get(id);
    if (known !== undefined) {
      if (known.size !== size) throw new FrameError("two files of one id");
      offers.add(id);
      return this.#offeredAgain(session, known);
    }
    const undecided = this.files.filter(({ state }) => state === "offered").length;
    const tooLarge = size > this.limit;
    // The discussion does not show these offers. A hostile page could fill it with them.
    if (undecided >= MAX_OFFERS || session.withdrawn >= MAX_WITHDRAWN || (tooLarge && session.refused >= MAX_OFFERS)) {
      link.control({ file: "decline", id, reason: "many" });
      return;
    }
    offers.add(id);
    const end = { state: "declined", ending: { by: "own", reason: "limit", limit: this.limit } } as const;
    const file = new Incoming(id, `${link.instance} ${id}`, name, size, type, this.reporter, tooLarge ? end : undefined);
    this.#files.set(id, file);
    if (tooLarge) {
      session.refused++;
      link.control({ file: "decline", id, reason: "limit" });
    }
    this.listener.offered(file);
    forgetOldest(this.#files);
    if (!tooLarge) void this.#adopt(file);
  }

  /** After a break the sender offers every file that it believes to be unfinished. */
  #offeredAgain(session: FileSession, file: Incoming): void {
    const { link } = session;
    const { id, ending } = file;
    switch (file.state) {
      case "offered":
      case "verifying":
        return;
      case "paused":
      case "accepted":
      case "receiving":
        return this.#request(session, file);
      case "done":
        link.control({ file: "received", id });
        return;
      case "declined":
        link.control({ file: "decline", id, reason: ending?.reason === "limit" ? "limit" : "person" });
        return;
      default: {
        const reason = ending?.reason;
        link.control({ file: "cancel", id, reason: reason === "damaged" || reason === "full" ? reason : "person" });
      }
    }
  }

  /** Continues a file that was accepted before this page was reloaded. */
  async #adopt(file: Incoming): Promise<void> {
    let adopted: { parts: Blob[]; sink: Sink } | undefined;
    try {
      adopted = await (await this.store).adopt?.(file.size, file.key);
    } catch {
      // The person decides about it as about any other file.
    }
    if (adopted === undefined) return;
    const { parts, sink } = adopted;
    if (file.state !== "offered") return void sink.discard();
    file.enter("accepted");
    const writer = this.#writer(file, sink);
    try {
      for (const part of parts) {
        await writer.resume(part);
        if (file.over) break;
      }
    } catch {
      if (!file.over) this.#giveUp(file, "full"); // The kept parts cannot be read any more.
    }
    this.#begin(file, writer);
  }

  /** Makes room for a file and asks for it. */
  async #open(file: Incoming): Promise<void> {
    let sink: Sink;
    try {
      sink = await (await this.store).create(file.size, file.key);
    } catch {
      if (!file.over) this.#giveUp(file, "full");
      return;
    }
    this.#begin(file, this.#writer(file, sink));
    if (!file.over) void this.roomChanged();
  }

  #writer(file: Incoming, sink: Sink): BlockWriter {
    return new BlockWriter(file.size, sink, {
      wrote: (bytes) => {
        file.moved(file.bytes + bytes);
        const session = this.session();
        if (session?.requests.has(file.id) === true) session.link.control({ file: "progress", id: file.id, offset: file.bytes });
      },
      full: () => this.#giveUp(file, "full"),
    });
  }

  /** There is room for the file now. */
  #begin(file: Incoming, writer: BlockWriter): void {
    if (file.over) return void writer.discard();
    file.writer = writer;
    file.bytes = writer.received;
    this.#sinks.add(writer.sink);
    const session = this.session();
    if (session?.offers.has(file.id) === true) this.#request(session, file);
    else file.pause();
  }

  /** Asks for the bytes that are missing, once per session. */
  #request({ link, requests }: FileSession, file: Incoming): void {
    const { id, writer } = file;
    // A file without a writer is requested when there is room for it.
    if (writer === undefined || requests.has(id)) return;
    requests.set(id, { ended: false, sha256: undefined });
    file.enter(writer.received > 0 ? "receiving" : "accepted");
    link.control({ file: "accept", id, offset: writer.received });
  }

  /** Checks the file once the sender has sent all of it and its checksum. */
  async #verify(file: Incoming, { ended, sha256 }: FileRequest): Promise<void> {
    const { writer } = file;
    if (!ended || sha256 === undefined || writer === undefined || file.state === "verifying") return;
    if (writer.received < file.size) return this.#giveUp(file, "damaged");
    file.enter("verifying");
    let blob: Blob;
    try {
      const checksum = await writer.checksum();
      if (file.over) return;
      if (checksum !== sha256) return this.#giveUp(file, "damaged");
      blob = await writer.sink.finish();
    } catch {
      if (!file.over) this.#giveUp(file, "full");
      return;
    }
    if (file.over) return;
    file.picture = writer.picture;
    // A link to the blob must never open as a type that a browser runs.
    file.blob = blob.slice(0, blob.size, file.picture ?? "application/octet-stream");
    this.session()?.link.control({ file: "received", id: file.id });
    this.#end(file, { state: "done" });
  }

  /** Ends a file from this side, and tells the sender. */
  #giveUp(file: Incoming, reason: CancelReason): void {
    this.session()?.link.control({ file: "cancel", id: file.id, reason });
    this.#end(file, { state: reason === "person" ? "cancelled" : "failed", ending: { by: "own", reason } });
  }

  #end(file: Incoming, end: End): void {
    const { writer } = file;
    file.writer = undefined;
    if (writer !== undefined && end.state !== "done") {
      this.#sinks.delete(writer.sink);
      void writer.discard();
    }
    file.end(end);
    forgetOldest(this.#files);
    void this.roomChanged();
  }
}
