import assert from "node:assert/strict";
import { test } from "node:test";
import type { KeptSession } from "../signaling/session.js";
import { Handover } from "./handover.js";
import type { LiveConversation } from "./liveconversation.js";

const session: KeptSession = { id: "an-id", login: "alice", secret: "a-secret-of-the-service", received: 3 };
const bob = { peer: "bob", call: { id: "a-call", wasOpen: true, outgoing: false }, loss: undefined } as Partial<LiveConversation> as LiveConversation;

/** What a page hands over. The tab keeps `tab`, and nothing new if it is full. */
function newPage(tab = new Map<string, string>(), givenUp = new Set<string>()) {
  const state = { full: false, free: true, claimed: undefined as string | undefined, written: [] as string[] };
  const handover = new Handover({
    tab: {
      read: (key) => tab.get(key),
      write: (key, text) => {
        state.written.push(key);
        tab.delete(key);
        if (text === undefined || state.full) return false;
        tab.set(key, text);
        return true;
      },
    },
    claim: {
      take: async (id) => {
        if (state.free) state.claimed = id;
        return state.free;
      },
      release: () => (state.claimed = undefined),
    },
    givenUp: { has: (id) => givenUp.has(id), add: (id) => givenUp.add(id) },
  });
  return { handover, tab, givenUp, state };
}

test("the next page finds the session, the open conversations and the token", async () => {
  const { handover, tab, state } = newPage();
  assert.deepEqual([handover.left, handover.token, handover.possible], [undefined, undefined, false]);
  handover.keepOpen([bob], bob);
  assert.equal(tab.size, 0, "there is no session to go on with");
  handover.keepToken("token-1");
  handover.keep(session);
  handover.keepOpen([bob], bob);
  assert.deepEqual([handover.possible, state.claimed], [true, "an-id"]);
  handover.unload();
  assert.equal(state.claimed, undefined);
  const next = newPage(tab);
  assert.deepEqual(next.handover.left, { session, open: { front: "bob", open: [{ peer: "bob", call: "a-call" }] }, givenUp: false });
  assert.equal(next.handover.token, "token-1");
  assert.equal(await next.handover.claim(session), true);
  next.state.free = false;
  assert.equal(await next.handover.claim(session), false);
});

test("conversations are written when they change, and not while the page is unloaded", () => {
  const { handover, state } = newPage();
  handover.keep(session);
  state.written.length = 0;
  handover.keepOpen([bob], bob);
  handover.keepOpen([bob], bob);
  assert.deepEqual(state.written, ["open"]);
  handover.keepOpen([bob], undefined);
  assert.deepEqual(state.written, ["open", "open"]);
  handover.unload();
  handover.keepOpen([], undefined);
  assert.deepEqual(state.written, ["open", "open"]);
});

test("without a session the next page finds no conversations", () => {
  const { handover, tab, state } = newPage();
  handover.keep(session);
  handover.keepOpen([bob], bob);
  handover.keep(undefined);
  assert.deepEqual([[...tab], handover.possible, state.claimed], [[], false, undefined]);
  handover.keep(session);
  handover.keepOpen([bob], bob);
  assert.deepEqual([...tab.keys()], ["session", "open"], "the same conversations are written again");
});

test("a tab that has no room, or may not keep anything, keeps nothing until it may", () => {
  const { handover, tab, state } = newPage();
  handover.keepToken("token-1");
  handover.keep(session);
  handover.keepOpen([bob], bob);
  state.full = true;
  handover.keep(session);
  handover.settingsChanged();
  assert.deepEqual([[...tab], handover.possible], [[], false]);
  state.full = false;
  handover.keep(session);
  handover.settingsChanged();
  handover.keepOpen([bob], bob);
  assert.deepEqual([...tab.keys()], ["session", "token", "open"]);
});

test("what the page before has left stays for the next page, unless the tab may not keep it any more", () => {
  const { handover, tab, state } = newPage(new Map([["session", JSON.stringify(session)], ["open", "what is open"]]));
  handover.settingsChanged();
  assert.deepEqual([handover.possible, [...tab.keys()].sort()], [true, ["open", "session"]]);
  state.full = true;
  handover.settingsChanged();
  assert.deepEqual([handover.possible, tab.size], [false, 0]);
});

test("a session that was given up is known to every copy of the tab", () => {
  const { handover, tab, givenUp } = newPage();
  handover.giveUp();
  assert.equal(givenUp.size, 0, "there was none");
  handover.keep(session);
  const copy = new Map(tab);
  handover.giveUp();
  assert.equal(newPage(copy, givenUp).handover.left?.givenUp, true);
});

test("a page that comes back goes on, unless another one has its session", async () => {
  const { handover, tab, givenUp, state } = newPage();
  handover.keep(session);
  handover.unload();
  assert.deepEqual([await handover.comeBack(), handover.unloading, state.claimed], [true, false, "an-id"]);
  handover.unload();
  const kept = tab.get("session")!;
  const refused = async () => [await handover.comeBack(), handover.unloading];
  tab.set("session", kept.replace("of-the-service", "of-the-next-one"));
  assert.deepEqual(await refused(), [false, true]);
  tab.delete("session");
  assert.deepEqual(await refused(), [false, true]);
  tab.set("session", kept);
  state.free = false;
  assert.deepEqual(await refused(), [false, true]);
  state.free = true;
  givenUp.add("an-id");
  assert.deepEqual(await refused(), [false, true]);
});
