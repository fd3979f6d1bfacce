import { type Ending, type Transfer, type TransferState, overStates } from "./transfer.js";

/** Shortest time between two reports of a file's progress, in ms. */
const REPORT_INTERVAL = 250;
/** The speed is an average over this time, in ms. */
const SPEED_SPAN = 3_000;
/** How many files each direction remembers, those that are over included. A late frame about one of them is no error. */
const MAX_REMEMBERED = 1_000;

type OverState = (typeof overStates)[number];

/** How a file ended. */
export type End = { state: "done" } | { state: Exclude<OverState, "done">; ending: Ending };

/** Where a file stands. */
export type Standing = { state: Exclude<TransferState, OverState> } | End;

/** What files report to. */
export interface Reporter {
  changed(transfer: Transfer): void;
  /** The time, in ms. */
  now(): number;
}

/** What files have in common in both directions. */
export abstract class MovingFile implements Transfer {
  abstract readonly direction: "out" | "in";
  abstract readonly blob: Blob | undefined;
  bytes = 0;
  speed: number | undefined;
  picture: string | undefined;
  #standing: Standing;
  #samples: { time: number; bytes: number }[] = [];
  #reported = -Infinity;
  /** A report of progress that comes later. */
  #report: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly id: number,
    readonly name: string,
    readonly size: number,
    readonly type: string,
    protected readonly reporter: Reporter,
    standing: Standing = { state: "offered" },
  ) {
    this.#standing = standing;
  }

  get state(): TransferState {
    return this.#standing.state;
  }

  get over(): boolean {
    return overStates.some((state) => state === this.state);
  }

  get ending(): Ending | undefined {
    return "ending" in this.#standing ? this.#standing.ending : undefined;
  }

  /** Changes the state of a file that is not over. */
  enter(state: Exclude<TransferState, OverState>): void {
    this.#enter({ state });
  }

  /** The connection is gone. */
  pause(): void {
    this.#stop();
    this.enter("paused");
  }

  end(end: End): void {
    this.#stop();
    this.#enter(end);
  }

  /** The receiver has `bytes` bytes now. Progress is reported a few times per second. */
  moved(bytes: number): void {
    this.bytes = bytes;
    const time = this.reporter.now();
    if (time - this.#reported < REPORT_INTERVAL) {
      this.#report ??= setTimeout(() => {
        this.#report = undefined;
        this.reporter.changed(this);
      }, REPORT_INTERVAL);
      return;
    }
    this.#reported = time;
    this.#measure(time);
    clearTimeout(this.#report);
    this.#report = undefined;
    this.reporter.changed(this);
  }

  #enter(standing: Standing): void {
    this.#standing = standing;
    this.reporter.changed(this);
  }

  #measure(time: number): void {
    const samples = this.#samples;
    samples.push({ time, bytes: this.bytes });
    while (samples.length > 2 && time - samples[0]!.time > SPEED_SPAN) samples.shift();
    const first = samples[0]!;
    this.speed = time > first.time ? ((this.bytes - first.bytes) * 1_000) / (time - first.time) : undefined;
  }

  /** No bytes move now: speed and progress are out of date. */
  #stop(): void {
    clearTimeout(this.#report);
    this.#report = undefined;
    this.#samples = [];
    this.speed = undefined;
  }
}

/** Forgets the oldest files that are over. A page may be open for weeks. */
export function forgetOldest(files: Map<number, MovingFile>): void {
  for (const [id, { over }] of files) {
    if (files.size <= MAX_REMEMBERED) break;
    if (over) files.delete(id);
  }
}
