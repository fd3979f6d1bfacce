import type { Claim } from "../signaling/claim.js";
import type { GivenUp } from "../signaling/givenup.js";
import { type KeptSession, readSession } from "../signaling/session.js";
import type { Tab } from "../signaling/tab.js";
import type { LiveConversation } from "./liveconversation.js";
import { type OpenConversations, openConversations, readOpen } from "./openconversations.js";

/** The keys of what the next page in this tab needs. */
const SESSION = "session";
const OPEN = "open";
const TOKEN = "token";

/** What a handover works with. */
export interface HandoverOptions {
  tab: Pick<Tab, "read" | "write">;
  /** Holds the session among the pages of this browser: a tab that is duplicated has a copy of it. */
  claim: Pick<Claim, "take" | "release">;
  /** The sessions that were given up by Sign out. */
  givenUp: Pick<GivenUp, "has" | "add">;
}

/**
 * What this page hands over to the next one in its tab: the session, which conversations are open, and the token of the person. The page
 * that holds the session claims it among the pages of this browser.
 */
export class Handover {
  /** The session and the open conversations, as the tab keeps them; undefined: it does not. A session that the page before has left counts. */
  #session: string | undefined;
  #open: string | undefined;
  #unloading = false;
  /** Resolves when it is known whether another page holds the session. */
  claimed = Promise.resolve(false);
  /** The token of the person. It begins as the page before has left it. */
  token: string | undefined;

  constructor(private readonly options: HandoverOptions) {
    this.#session = options.tab.read(SESSION);
    this.token = options.tab.read(TOKEN);
  }

  /** Whether this page is being closed or loaded again. */
  get unloading(): boolean {
    return this.#unloading;
  }

  /** Whether the next page can go on with the session. */
  get possible(): boolean {
    return this.#session !== undefined;
  }

  /** What the page before has left to go on with; undefined: nothing. */
  get left(): { readonly session: KeptSession; readonly open: OpenConversations; readonly givenUp: boolean } | undefined {
    const { tab, givenUp } = this.options;
    const session = readSession(tab.read(SESSION));
    return session && { session, open: readOpen(tab.read(OPEN)), givenUp: givenUp.has(session.id) };
  }

  /** Claims a session that the page before has left. Returns false if another page holds it: then this tab is a copy. */
  claim(session: KeptSession): Promise<boolean> {
    return (this.claimed = this.options.claim.take(session.id));
  }

  /** The next page needs this to go on with the session; undefined: there is none. */
  keep(session: KeptSession | undefined): void {
    const { tab, claim } = this.options;
    const text = session && JSON.stringify(session);
    this.#session = tab.write(SESSION, text) ? text : undefined;
    if (session !== undefined) return void claim.take(session.id);
    claim.release();
    this.#keepOpen(undefined);
  }

  keepToken(token: string | undefined): void {
    this.options.tab.write(TOKEN, (this.token = token));
  }

  /** These conversations are there now. The next page needs them if it has a session. */
  keepOpen(conversations: readonly LiveConversation[], front: LiveConversation | undefined): void {
    if (!this.possible || this.#unloading) return;
    const open = JSON.stringify(openConversations(conversations, front));
    if (open !== this.#open) this.#keepOpen(open);
  }

  #keepOpen(open: string | undefined): void {
    this.options.tab.write(OPEN, (this.#open = open));
  }

  /** The person may have changed what the tab may keep. */
  settingsChanged(): void {
    if (!this.options.tab.write(SESSION, this.#session)) this.#session = undefined;
    this.keepToken(this.token);
    if (!this.possible) this.#keepOpen(undefined);
  }

  /** The person signs out: no copy of the tab goes on with the session. */
  giveUp(): void {
    const session = readSession(this.#session);
    if (session !== undefined) this.options.givenUp.add(session.id);
  }

  /** The page is going away, and leaves the session to the next one. */
  unload(): void {
    this.#unloading = true;
    this.options.claim.release();
  }

  /** The page comes back as it was. Returns false if another page has gone on with its session. */
  async comeBack(): Promise<boolean> {
    const { tab, claim, givenUp } = this.options;
    const kept = tab.read(SESSION);
    const id = readSession(kept)?.id ?? "";
    if (kept !== this.#session || givenUp.has(id) || !(await claim.take(id))) return false;
    this.#unloading = false;
    return true;
  }
}
