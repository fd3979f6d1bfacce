import type { CancelReason, DeclineReason, WithdrawReason } from "./frames.js";

/** The states in which a file stays. */
export const overStates = ["done", "declined", "cancelled", "failed"] as const;

export type TransferState =
  /** The receiver has not decided yet. */
  | "offered"
  /** The receiver wants the file. Its bytes do not move yet. */
  | "accepted"
  | "sending"
  | "receiving"
  /** The connection is gone. The file continues on the next one. */
  | "paused"
  /** All bytes are sent, or all are here. Their checksum is not confirmed yet. */
  | "verifying"
  | (typeof overStates)[number];

/** Why a file is over although it did not arrive. */
export interface Ending {
  by: "own" | "peer";
  /** `gone`: the other page was reloaded. */
  reason: DeclineReason | CancelReason | WithdrawReason | "gone";
  /** With the reason `limit`: the largest file that the receiver would have taken, in bytes. */
  limit?: number;
}

/** A file that is sent or received, as people see it. */
export interface Transfer {
  readonly direction: "out" | "in";
  /** Identifies a received file, on later visits of this page too. */
  readonly key?: string;
  /** Safe to show, and to save the file under. */
  readonly name: string;
  readonly size: number;
  /** The MIME type that the sender's browser gives, or "". It is not to be trusted. */
  readonly type: string;
  readonly state: TransferState;
  /** How many bytes the receiver has. */
  readonly bytes: number;
  /** Bytes per second. It is known only while bytes move. */
  readonly speed: number | undefined;
  /** Whether the file stays in its state. */
  readonly over: boolean;
  /** Set in the states `declined`, `cancelled` and `failed`. */
  readonly ending: Ending | undefined;
  /** The contents. An own file always has them, a received one when it is done. */
  readonly blob: Blob | undefined;
  /** The MIME type of the picture that the file is. It is undefined for other files, and until it is known. */
  readonly picture: string | undefined;
}
