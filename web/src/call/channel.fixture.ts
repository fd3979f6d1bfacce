import type { ChannelListener } from "./channel.js";

/** A data channel whose send buffer drains when the test says. */
export class FakeChannel {
  readyState = "open";
  bufferedAmount = 0;
  sent: unknown[] = [];
  onopen: (() => void) | undefined;
  onmessage: ((event: { data: unknown }) => void) | undefined;
  onbufferedamountlow: (() => void) | undefined;
  send(data: string | Uint8Array) {
    this.sent.push(data);
    this.bufferedAmount += typeof data === "string" ? new TextEncoder().encode(data).length : data.length;
  }
  drain() {
    this.bufferedAmount = 0;
    this.onbufferedamountlow?.();
  }
  close() {}

  /** Itself, where a real one is asked for. */
  get real(): RTCDataChannel {
    return this as unknown as RTCDataChannel;
  }
}

/** Notes what a channel tells. */
export function listening() {
  const told: string[] = [];
  const note = (what: string) => (...about: unknown[]) => void told.push([what, ...about.map((one) => JSON.stringify(one))].join(" "));
  const ids = (what: string) => (letters: { id: number }[]) => void told.push([what, ...letters.map(({ id }) => id)].join(" "));
  const listener: ChannelListener = {
    ready: note("ready"),
    received: note("received"),
    read: note("read"),
    typing: note("typing"),
    delivered: ids("delivered"),
    sent: ids("sent"),
    next: note("next"),
    file: note("file"),
    late: note("late"),
    silent: note("silent"),
    alive: note("alive"),
    ended: note("ended"),
  };
  return { told, listener };
}
