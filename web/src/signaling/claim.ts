/** How long a page that is being loaded again may take to give up what it holds, in ms. */
const RELEASED_WITHIN = 1_000;
/** How long other pages may take to answer, in ms. */
const ANSWERED_WITHIN = 300;
/** What a page says that holds the name. One that asks says a number between 0 and 1. */
const HELD = "held";

/**
 * Claims a name among the pages of this browser, one name at a time. It is a Web Lock where the browser has these. Otherwise, on plain http
 * for instance, the page asks the others.
 */
export class Claim {
  #name: string | undefined;
  #release = () => {};

  /** Claims a name. Returns false if another page holds it. */
  async take(name: string): Promise<boolean> {
    if (name === this.#name) return true;
    this.release();
    this.#name = name;
    const locks = (globalThis.navigator as Partial<Navigator> | undefined)?.locks;
    const taken = await (locks === undefined ? this.#ask(name) : this.#lock(locks, name));
    if (!taken && this.#name === name) this.release();
    return taken;
  }

  /** Gives the name up. */
  release(): void {
    this.#name = undefined;
    this.#release();
  }

  #lock(locks: LockManager, name: string): Promise<boolean> {
    return new Promise((resolve) => {
      const released = new Promise<void>((release) => (this.#release = release));
      const hold = () => {
        resolve(true);
        return released;
      };
      // Some browsers refuse locks to a page from disk.
      locks.request(name, { signal: AbortSignal.timeout(RELEASED_WITHIN) }, hold).catch(({ name: error }: DOMException) => resolve(error !== "TimeoutError" && this.#ask(name)));
    });
  }

  async #ask(name: string): Promise<boolean> {
    const channel = new BroadcastChannel(name);
    this.#release = () => channel.close();
    const own = Math.random();
    let asking = true;
    let free = true;
    channel.onmessage = ({ data }) => {
      // Of the pages that ask in the same instant, the one with the lowest number gets the name.
      if (asking && (data === HELD || data < own)) free = false;
      else if (data !== HELD) channel.postMessage(asking ? own : HELD);
    };
    channel.postMessage(own);
    await new Promise((resolve) => setTimeout(resolve, ANSWERED_WITHIN));
    asking = false;
    return free;
  }
}
