import type { Letter } from "../conversation/correspondence.js";
import type { FileMessage } from "../files/frames.js";

/** While more bytes than this wait in the browser's send buffer, no more texts are put into it. */
export const BUFFER_HIGH = 1024 * 1024;
/** When the send buffer has drained to this many bytes, sending continues. */
export const BUFFER_LOW = 256 * 1024;

/** Why a channel ended: the other side said goodbye, its page goes away and may come back, the channel broke, or the other side sent nonsense. */
export type ChannelEnd = "goodbye" | "away" | "lost" | "garbled";

/** What a channel tells its call. */
export interface ChannelListener {
  /** Both pages are there. What the person sends waits for `admit`. */
  ready(): void;
  received(text: string): void;
  /** The person there has seen the text with this id and all before it. */
  read(id: number): void;
  /** The person there types, or has stopped. */
  typing(typing: boolean): void;
  /** The other page has these letters. */
  delivered(letters: Letter[]): void;
  /** These letters are on their way to a peer that confirms nothing. */
  sent(letters: Letter[]): void;
  /** The certificate with this fingerprint will follow the one that the other side has now. */
  next(fingerprint: string): void;
  /** The other page says something about files. @throws {FrameError} if the message makes no sense */
  file(message: FileMessage): void;
  /** A sign of life of the other page is late. */
  late(): void;
  /**
   * Nothing has come for a while, from the other browser either. Called again while that lasts.
   * @param gone the silence has lasted so long that the other page must be gone
   */
  silent(gone: boolean): void;
  /** Something has come after a silence. */
  alive(): void;
  /** Called at most once, and never after `close`. */
  ended(end: ChannelEnd): void;
}

/** Carries texts between this page and the other. */
export interface PeerChannel {
  /** Lets the other side in: from now on what the person sends may pass. */
  admit(): void;
  /** The person has seen all texts that have come. */
  sendRead(): void;
  /** The person types, or has stopped. */
  sendTyping(typing: boolean): void;
  /** Sends the letters that wait in the correspondence, as far as the send buffer has room. */
  flush(): void;
  /**
   * Tells the other side that this one leaves. Then only receipts are taken. Resolves when the channel has closed.
   * @param end with `away` this page may come back
   */
  leave(end: "goodbye" | "away"): Promise<void>;
  /** Stops listening and closes the channel. What was sent goes out first. Resolves when the channel has closed. */
  close(): Promise<void>;
}

/** Resolves when the channel has closed. */
export function closed(channel: RTCDataChannel): Promise<void> {
  return new Promise((resolve) => {
    if (channel.readyState === "closed") resolve();
    else channel.addEventListener("close", () => resolve(), { once: true });
  });
}
