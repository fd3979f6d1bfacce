import type { JoinResult } from "../signaling/listener.js";

/** The steps of a Join. */
export interface JoinSteps {
  /** Reads the identity. If the device cannot be read, this takes until it can. */
  prove(): Promise<unknown>;
  /** Reads the conversations. */
  load(): Promise<unknown>;
  /** Asks the service for the login. Calls may come in as soon as it has answered, so this is the last step. */
  ask(): JoinResult | Promise<JoinResult>;
}

/** The Join that is under way. A person can give it up at any step, and begin another one. */
export class Joining {
  #latest: JoinSteps | undefined;
  #proving = false;

  /** Whether a Join is under way. */
  get on(): boolean {
    return this.#latest !== undefined;
  }

  /** Whether it waits until the device has been read. */
  get waitsForDevice(): boolean {
    return this.on && this.#proving;
  }

  /** Begins a Join. Resolves to undefined if it is given up. */
  async begin(steps: JoinSteps): Promise<JoinResult | undefined> {
    this.#latest = steps;
    this.#proving = true;
    await steps.prove();
    if (this.#latest !== steps) return undefined;
    this.#proving = false;
    await steps.load();
    if (this.#latest !== steps) return undefined;
    const result = await steps.ask();
    if (this.#latest !== steps) return undefined;
    this.#latest = undefined;
    return result;
  }

  /** Gives the Join up that is under way. */
  cancel(): void {
    this.#latest = undefined;
  }
}
