import { hex } from "../signaling/hex.js";
import { type FileMessage, FrameError, decodeFileMessage, encodeFileMessage } from "./frames.js";
import { sha256 } from "../../vendor/noble-hashes/sha2.js";
import type { BulkChannel, FileLink } from "./link.js";
import { MemoryStore } from "./memory.js";
import type { Store } from "./sinks.js";
import type { Transfer } from "./transfer.js";
import { Transfers } from "./transfers.js";

/** One end of a link in memory. It delivers messages in order, each in a turn of the event loop of its own. */
export class End implements BulkChannel, FileLink {
  readyState = "open";
  bufferedAmount = 0;
  highest = 0;
  bufferedAmountLowThreshold = 0;
  binaryType: BinaryType = "blob";
  onopen = null;
  onclose = null;
  onbufferedamountlow: ((event: Event) => unknown) | null = null;
  onmessage: ((event: MessageEvent) => unknown) | null = null;
  other!: End;
  broken: unknown;
  controls: FileMessage[] = [];
  chunks = 0;
  /** Called before each chunk is delivered. It may cut the link. */
  before: (chunk: number) => void = () => {};
  constructor(
    readonly instance: string,
    readonly transfers: Transfers,
  ) {}
  get bulk(): BulkChannel {
    return this;
  }
  send(data: Uint8Array<ArrayBuffer>): void {
    if (this.readyState !== "open") throw new Error("closed");
    this.bufferedAmount += data.length;
    this.highest = Math.max(this.highest, this.bufferedAmount);
    setImmediate(() => {
      if (this.readyState !== "open") return;
      this.before(this.chunks++);
      if (this.readyState !== "open") return;
      this.bufferedAmount -= data.length;
      this.other.onmessage?.({ data: data.slice().buffer } as MessageEvent);
      if (this.bufferedAmount <= this.bufferedAmountLowThreshold) this.onbufferedamountlow?.({} as Event);
    });
  }
  control(message: FileMessage): void {
    this.controls.push(message);
    const body = encodeFileMessage(message);
    setImmediate(() => {
      if (this.readyState === "open") this.other.take(body);
    });
  }
  take(body: Uint8Array): void {
    try {
      const message = decodeFileMessage(body);
      if (message !== undefined) this.transfers.receive(message);
    } catch (error) {
      this.broken = error;
    }
  }
  garbled(): void {
    this.broken = new FrameError("garbled");
  }
  cut(): void {
    for (const end of [this, this.other]) {
      end.readyState = "closed";
      end.transfers.detach(end);
    }
  }
}

/** A page's files, and what is reported about them. */
export class Page {
  readonly seen: Transfer[] = [];
  #wake: (() => void)[] = [];
  readonly transfers: Transfers;
  news = 0;
  constructor(
    readonly instance: string,
    store: Store = new MemoryStore(),
    now: () => number = () => 0,
  ) {
    const changed = () => {
      this.news++;
      for (const wake of this.#wake.splice(0)) wake();
    };
    this.transfers = new Transfers(
      store,
      {
        offered: (transfer) => {
          this.seen.push(transfer);
          changed();
        },
        changed,
        limitChanged: () => {},
      },
      now,
    );
  }
  /** Waits until a condition holds. It looks after each report. */
  async until(condition: () => unknown): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }
}

export function connect(a: Page, b: Page): [End, End] {
  const ends: [End, End] = [new End(b.instance, a.transfers), new End(a.instance, b.transfers)];
  [ends[0].other, ends[1].other] = [ends[1], ends[0]];
  a.transfers.attach(ends[0]);
  b.transfers.attach(ends[1]);
  return ends;
}

export async function turns(count = 50): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

export function content(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let i = 0, x = 1; i < size; i++) bytes[i] = x = (x * 75 + 74) % 65537;
  return bytes;
}

export async function sha256Of(blob: Blob): Promise<string> {
  return hex(sha256(new Uint8Array(await blob.arrayBuffer())));
}

/** A page whose other side sends whatever a test wants. */
export async function hostile(store?: Store): Promise<{ page: Page; mine: End; theirs: End }> {
  const page = new Page("honest", store);
  const other = new Page("hostile");
  const [mine, theirs] = connect(page, other);
  await turns();
  other.transfers.detach(theirs);
  return { page, mine, theirs };
}
