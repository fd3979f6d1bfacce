import type { FileMessage } from "./frames.js";

/** The part of RTCDataChannel that files need. */
export interface BulkChannel {
  readonly readyState: string;
  readonly bufferedAmount: number;
  bufferedAmountLowThreshold: number;
  binaryType: BinaryType;
  onopen: ((event: Event) => unknown) | null;
  onclose: ((event: Event) => unknown) | null;
  onbufferedamountlow: ((event: Event) => unknown) | null;
  onmessage: ((event: MessageEvent) => unknown) | null;
  send(data: Uint8Array<ArrayBuffer>): void;
}

/** A connection to the other page. */
export interface FileLink {
  /** Identifies the other login and its page. A reload changes it. */
  readonly instance: string;
  readonly bulk: BulkChannel;
  /** Sends a control frame. */
  control(message: FileMessage): void;
  /** Reports that the other page has broken the protocol. */
  garbled(): void;
}
