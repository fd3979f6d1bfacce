import { type FileMessage, FrameError } from "../files/frames.js";
import type { FileLink } from "../files/link.js";
import type { Transfers } from "../files/transfers.js";
import type { FramedChannel } from "./framed.js";

/** Most messages about files that wait until the call carries files. They tell the other page's limit and offer files. */
const MAX_WAITING = 64;

type State =
  | { kind: "waiting"; messages: FileMessage[] }
  | { kind: "carried"; transfers: Transfers; link: FileLink };

/** The files of one call: the channel for their bytes, and what connects it to the transfers of the conversation. */
export class CallFiles {
  /** Messages wait until `carry`. */
  #state: State = { kind: "waiting", messages: [] };

  constructor(private readonly bulk: RTCDataChannel) {}

  /**
   * From now on the call carries these files.
   * @param peer the key of the other's login
   * @param garbled the other page has sent something that makes no sense
   */
  carry(transfers: Transfers, channel: FramedChannel, peer: string, garbled: () => void): void {
    if (this.#state.kind === "carried") return;
    const { messages } = this.#state;
    const { bulk } = this;
    const link: FileLink = { instance: `${peer} ${channel.peerInstance}`, bulk, control: (message) => channel.sendFile(message), garbled };
    this.#state = { kind: "carried", transfers, link };
    bulk.addEventListener("message", () => channel.signOfLife());
    transfers.attach(link);
    try {
      for (const message of messages) transfers.receive(message);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      garbled();
    }
  }

  /** The other page says something about files. @throws {FrameError} if the message makes no sense */
  receive(message: FileMessage): void {
    if (this.#state.kind === "carried") this.#state.transfers.receive(message);
    else if (this.#state.messages.length < MAX_WAITING) this.#state.messages.push(message);
  }

  /** The call is over: the transfers wait for the next one. */
  detach(): void {
    if (this.#state.kind === "carried") this.#state.transfers.detach(this.#state.link);
  }

  close(): void {
    this.bulk.close();
  }
}
