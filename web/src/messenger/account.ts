import type { Call } from "../call/call.js";
import type { Delivery, Entry } from "../conversation/conversation.js";
import type { Letter } from "../conversation/correspondence.js";
import type { Keeper, LoadedConversation } from "../conversation/history.js";
import type { Store } from "../files/sinks.js";
import { Transfers } from "../files/transfers.js";
import { freshId } from "../signaling/ids.js";
import { loginKey } from "../signaling/logins.js";
import type { ServiceConnection } from "../signaling/service.js";
import { type Phrase, phrase } from "../words.js";
import { type ConversationHost, LiveConversation } from "./liveconversation.js";

/** A conversation with fewer entries than this shows older ones without being asked. */
const FEW = 100;

/** What an account needs of the page. */
export interface AccountHost extends ConversationHost {
  readonly keeper: Keeper;
  /** Where received files go. */
  readonly files: Store | Promise<Store>;
  /** Whether the person looks at the page. */
  attended(): boolean;
  readonly settings: { readonly choices: { readonly readReceipts: boolean } };
  readonly service: Pick<ServiceConnection, "watch">;
  /** Something has arrived that the person does not see. */
  arrived(conversation: LiveConversation): void;
  /** Tells the person something now. */
  alert(said: Phrase): void;
}

/** What arrives from the other side: a text or a file. */
type Arrival = Omit<Entry & { kind: "received" }, "id" | "time"> | Omit<Entry & { kind: "file" }, "id" | "time">;

/**
 * What the page holds for one login: the conversations, which one is in front, drafts, and what the person has not read. It writes all
 * changes to the device. It outlasts Sign out, for the next Join under the same login.
 */
export class Account {
  /** What is typed while no conversation is in front. */
  draft = "";
  /** Whether the person is writing that draft, and has not tried to send it. Then they mean somebody, perhaps not whoever calls now. */
  writing = false;
  /** By key of the other login, the one with the newest entry last. */
  #conversations = new Map<string, LiveConversation>();
  #front: LiveConversation | undefined;
  /** What was in front before the person called somebody who is in front now. */
  #behind: LiveConversation | undefined;

  /** @param key the own login as loginKey returns it */
  constructor(
    readonly key: string,
    private readonly host: AccountHost,
  ) {}

  /** Takes what the device keeps. A conversation stays as it is here, unless another tab has gone on with it. */
  async load(): Promise<void> {
    const loaded = await this.host.keeper.load(this.key);
    const here = this.#conversations;
    this.#conversations = new Map();
    for (const one of loaded.reverse()) {
      const conversation = this.#take(one, here.get(loginKey(one.kept.peer)));
      here.delete(conversation.key);
      this.#conversations.set(conversation.key, conversation);
    }
    for (const [key, conversation] of here) this.#conversations.set(key, conversation);
  }

  /** Takes what has been written to the device by anybody but this page: another tab, or an import. What is on here goes on. */
  async refresh(): Promise<void> {
    await this.#readAgain(() => this.host.alert(phrase("deviceFailed")));
  }

  async #readAgain(failed: () => void): Promise<void> {
    const before = [...this.#conversations.values()];
    await this.load();
    for (const conversation of before) {
      if (this.find(conversation.peer) !== conversation) continue;
      try {
        const { entries, more } = await this.host.keeper.since(this.key, conversation);
        conversation.take(entries);
        conversation.hasEarlier = more;
        // What is new may all be older than what is here.
        if (more && conversation.entries.length < FEW) await this.showEarlier(conversation);
      } catch {
        failed();
      }
    }
    this.#watch();
    this.host.changed();
  }

  /** The device can be read and written again. @param fresh it has lost everything, and gets what is here */
  async writeAgain(fresh: boolean): Promise<void> {
    if (fresh) for (const conversation of this.#conversations.values()) this.#keep(conversation, conversation.entries);
    // A device that is in trouble again is read once more when it is back. Until then the page says so lastingly.
    await this.#readAgain(() => {});
  }

  #take({ kept, entries, more }: LoadedConversation, here: LiveConversation | undefined): LiveConversation {
    if (here !== undefined && (here.isOf(kept) || here.call !== undefined || here.loss !== undefined)) return here;
    if (here !== undefined) void closeFiles([here]);
    const conversation = new LiveConversation(this.host, kept.peer, freshId(), kept, entries);
    conversation.hasEarlier = more;
    if (here !== undefined && this.#front === here) this.#front = conversation;
    return conversation;
  }

  /** The person has joined. */
  joined(): void {
    for (const conversation of this.#conversations.values()) conversation.online = undefined;
    this.#watch();
  }

  /** The person signs out. Whoever joins next may be somebody else, so nothing stays in front. */
  signedOut(): void {
    this.show(undefined);
    this.draft = "";
  }

  /** Forgets all conversations in this page. Resolves when the device has no bytes of their files any more. */
  close(): Promise<void> {
    const closed = closeFiles(this.#conversations.values());
    this.#conversations.clear();
    return closed;
  }

  /** All conversations, the one with the newest entry first. */
  get conversations(): LiveConversation[] {
    return [...this.#conversations.values()].reverse();
  }

  /** The conversation that the person has chosen to see. */
  get front(): LiveConversation | undefined {
    return this.#front;
  }

  /** The conversation with somebody, if there is one. */
  find(peer: string): LiveConversation | undefined {
    return this.#conversations.get(loginKey(peer));
  }

  /** The conversation with somebody. It is made if there is none. */
  with(peer: string): LiveConversation {
    let conversation = this.find(peer);
    if (conversation === undefined) {
      conversation = new LiveConversation(this.host, peer, freshId());
      this.#conversations.set(conversation.key, conversation);
      this.#watch();
    }
    return conversation;
  }

  /** The conversation that a call belongs to. It is undefined if the conversation has been deleted, or is another account's. */
  carriedBy(call: Call): LiveConversation | undefined {
    const conversation = this.find(call.peer);
    return conversation?.has(call) === true ? conversation : undefined;
  }

  /** Brings the conversation with the same login to the front, or none. If there is no such conversation any more, nothing changes. */
  show(asked: LiveConversation | undefined): void {
    const conversation = asked && this.find(asked.peer);
    if (conversation === this.#front || (asked !== undefined && conversation === undefined)) return;
    this.#front?.call?.typing(false);
    this.#front = conversation;
    this.#behind = undefined;
    this.writing = false;
    if (conversation === undefined) return;
    if (conversation.draft === "" && this.draft !== "") {
      conversation.draft = this.draft;
      this.draft = "";
    }
    this.seen(conversation);
  }

  /** Brings the conversation with somebody whom the person calls to the front. If it comes to nothing, the one before comes back. */
  showCalled(conversation: LiveConversation): void {
    const front = this.#front;
    this.show(conversation);
    this.#behind = front;
  }

  /** The person sees a conversation if it is in front and they look at the page. */
  seen(conversation: LiveConversation): void {
    if (!this.#sees(conversation)) return;
    if (conversation.unread > 0) {
      conversation.unread = 0;
      this.#keep(conversation, []);
    }
    if (this.host.settings.choices.readReceipts && conversation.correspondence.received !== undefined) conversation.markReadSoon();
  }

  #sees(conversation: LiveConversation): boolean {
    return conversation === this.#front && this.host.attended();
  }

  /** What the person has typed so far in front. */
  type(text: string): void {
    const conversation = this.#front;
    if (conversation === undefined) {
      this.draft = text;
      this.writing = text !== "";
      return;
    }
    conversation.draft = text;
    this.host.keeper.saveSoon(this.key, conversation);
    if (conversation.phase === "open") conversation.call?.typing(text.trim() !== "");
  }

  /** Sends a text. It is written to the device before it goes out. */
  send(conversation: LiveConversation, author: string, text: string): void {
    const letter = conversation.correspondence.post(text).id;
    const entry = this.#add(conversation, { kind: "own", author, text, delivery: "sending", letter } as const);
    conversation.draft = "";
    this.#keep(conversation, [entry]);
    conversation.call?.typing(false);
    conversation.call?.flush();
    this.host.changed();
  }

  /** Offers a file. */
  offer(conversation: LiveConversation, author: string, file: File): void {
    const transfer = this.transfers(conversation).offer(file, file.name);
    this.#keep(conversation, [this.#add(conversation, { kind: "file", author, own: true, file: transfer } as const)]);
    this.host.changed();
  }

  /** A text or a file of the other side has arrived. */
  arrived(conversation: LiveConversation, arrival: Arrival): void {
    const entry = this.#add(conversation, arrival);
    conversation.peerTypes(false);
    const seen = this.#sees(conversation);
    if (seen) this.seen(conversation);
    else conversation.unread++;
    this.#keep(conversation, [entry]);
    const bearable = this.host.keeper.keeping ? conversation.trim() : conversation.bearable;
    if (!bearable) conversation.call?.end("garbled");
    if (!seen) this.host.arrived(conversation);
    this.host.changed();
  }

  /** Adds an entry to a conversation. It has the newest entry of all now. */
  #add<E extends Omit<Entry, "id" | "time">>(conversation: LiveConversation, entry: E): Entry {
    if (this.#conversations.delete(conversation.key)) this.#conversations.set(conversation.key, conversation);
    return conversation.add(entry);
  }

  /** Finds out which of the texts that wait here another tab has delivered, so that none goes out twice. */
  async catchUp(conversation: LiveConversation): Promise<void> {
    try {
      for (const [letter, delivery] of await this.host.keeper.progress(this.key, conversation)) {
        if (delivery === "sending") continue;
        conversation.correspondence.withdraw(letter);
        this.#keep(conversation, conversation.mark(new Set([letter]), delivery));
      }
    } catch {
      // What the device does not know goes out.
    }
  }

  /** The other page has said how far these texts got. */
  delivered(conversation: LiveConversation, letters: readonly Letter[], delivery: Delivery): void {
    this.#keep(conversation, conversation.mark(new Set(letters.map(({ id }) => id)), delivery));
    this.host.changed();
  }

  /** The other person has seen text `id` and all before it. A person who sends no read receipts sees none either. */
  read(conversation: LiveConversation, id: number): void {
    if (!this.host.settings.choices.readReceipts) return;
    const marked = conversation.markRead(id);
    if (marked.length > 0) this.#keep(conversation, marked);
    this.host.changed();
  }

  /** Adds a note of this page to the discussion. */
  note(conversation: LiveConversation, said: Phrase): void {
    this.#keep(conversation, [this.#add(conversation, { kind: "note", phrase: said } as const)]);
    this.host.changed();
  }

  /** The service has said which logins are online and which are not. */
  presence(online: readonly string[], offline: readonly string[]): void {
    for (const [logins, there] of [[online, true], [offline, false]] as const) {
      for (const login of logins) {
        const conversation = this.find(login);
        if (conversation !== undefined) conversation.online = there;
      }
    }
    this.host.changed();
  }

  /** The files of a conversation. */
  transfers(conversation: LiveConversation): Transfers {
    conversation.transfers ??= new Transfers(this.host.files, {
      offered: (file) => {
        const entry = conversation.continueFile(file);
        if (entry === undefined) return this.arrived(conversation, { kind: "file", author: conversation.peer, own: false, file });
        this.#keep(conversation, [entry]);
        this.host.changed();
      },
      changed: (file) => {
        // The device keeps how a file ended, not how far it got.
        if (file.over) this.#keep(conversation, conversation.entries.filter((entry) => entry.kind === "file" && entry.file === file));
        this.host.changed();
      },
      limitChanged: () => this.host.changed(),
    });
    return conversation.transfers;
  }

  /** Loads older entries of a conversation from the device. */
  async showEarlier(conversation: LiveConversation): Promise<void> {
    const oldest = conversation.entries[0];
    const { entries, more } = await this.host.keeper.earlier(this.key, conversation);
    if (conversation.entries[0] !== oldest) return; // They were requested twice, and are here already.
    conversation.prepend(entries);
    conversation.hasEarlier = more;
    this.host.changed();
  }

  /** Deletes a conversation that has no call, here and on the device. */
  async delete(conversation: LiveConversation): Promise<void> {
    void closeFiles([conversation]);
    await this.#remove(conversation, undefined);
  }

  /** Deletes a conversation that has come to nothing, such as one with a misspelled login. */
  dropIfEmpty(conversation: LiveConversation): void {
    // Earlier entries may be on the device alone. A draft stays with its conversation. Otherwise it would be in the field of the conversation
    // that comes to the front.
    if (conversation.entries.length > 0 || conversation.hasEarlier || conversation.call !== undefined || conversation.draft.trim() !== "") return;
    void this.#remove(conversation, this.#behind);
  }

  /** @param behind what comes to the front in its place, if it is still there */
  async #remove(conversation: LiveConversation, behind: LiveConversation | undefined): Promise<void> {
    this.#conversations.delete(conversation.key);
    if (this.#front === conversation) this.show(behind !== undefined && this.find(behind.peer) === behind ? behind : undefined);
    this.#watch();
    this.host.changed();
    try {
      await this.host.keeper.delete(this.key, conversation.key);
    } catch {
      this.host.alert(phrase("deviceFailed"));
    }
  }

  /** Writes a conversation and these of its entries to the device, unless it has been deleted. */
  #keep(conversation: LiveConversation, entries: readonly Entry[]): void {
    if (this.find(conversation.peer) === conversation) this.host.keeper.save(this.key, conversation, entries);
  }

  #watch(): void {
    this.host.service.watch(this.conversations.map(({ peer }) => peer));
  }
}

/** Cancels the files of conversations. Resolves when the device has no bytes of received ones any more. */
async function closeFiles(conversations: Iterable<LiveConversation>): Promise<void> {
  const closed = [];
  for (const conversation of conversations) {
    closed.push(conversation.transfers?.close());
    conversation.transfers = undefined;
  }
  await Promise.all(closed);
}
