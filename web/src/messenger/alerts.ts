import { type Phrase, phrase } from "../words.js";

/** What is said of a token, until the person has another one. */
const OF_TOKENS: readonly unknown[] = ["authRequired", "authFailed", "tokenDamaged"];

/** What the person must know now. */
export class Alerts {
  /** What was said last, unless the person has read it. */
  said: Phrase | undefined;
  /** What is said while the service refuses the login of this page. It does so when the login was taken while the page was away. */
  #refusal: { said: Phrase; read: boolean } | undefined;

  get current(): Phrase | undefined {
    return this.said ?? (this.#refusal?.read === false ? this.#refusal.said : undefined);
  }

  /** Why the service refuses the login of this page; undefined: it does not. */
  get refusal(): Phrase | undefined {
    return this.#refusal?.said;
  }

  /** The service refuses the login that this page held before. It may have done so already, which is no news then. */
  refused(code: string, login: string): void {
    const said = code === "login-taken" ? phrase("lostLogin", login) : phrase("refusedAgain");
    if (this.refusal?.key !== said.key) this.#refusal = { said, read: false };
  }

  /** The service does not refuse the login any more. */
  accepted(): void {
    if (this.said === this.refusal) this.said = undefined;
    this.#refusal = undefined;
  }

  /** The person has another token. */
  tokenTaken(): void {
    if (OF_TOKENS.includes(this.said?.key)) this.said = undefined;
  }

  /** The person has read what is said. */
  dismiss(): void {
    if (this.#refusal !== undefined && this.current === this.#refusal.said) this.#refusal.read = true;
    this.said = undefined;
  }
}
