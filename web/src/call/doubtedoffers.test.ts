import assert from "node:assert/strict";
import { test } from "node:test";
import type { Call } from "./call.js";
import { DoubtedOffers, type OfferFrame } from "./doubtedoffers.js";

/** Offers in doubt, how each was settled, and the replies to the probes. */
function doubting() {
  const settled: [string | undefined, boolean][] = [];
  const replies: ((there: boolean) => void)[] = [];
  const call = { phase: "open", probe: () => new Promise<boolean>((resolve) => replies.push(resolve)) };
  const doubted = new DoubtedOffers((_call, offer, gone) => void settled.push([offer.call, gone]));
  const add = (id: string) => doubted.add(call as unknown as Call, { type: "offer", from: "bob", call: id, sdp: "" } satisfies OfferFrame);
  const reply = async (there: boolean) => {
    replies.shift()!(there);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { doubted, settled, replies, call, add, reply };
}

test("the page at the other end is probed once, and its reply settles the newest offer", async () => {
  for (const there of [true, false]) {
    const { doubted, settled, replies, add, reply } = doubting();
    add("second");
    add("third");
    assert.deepEqual([settled.splice(0), replies.length], [[["second", false]], 1]);
    assert.equal(doubted.has("BOB"), true);
    await reply(there);
    assert.deepEqual([settled, doubted.has("bob")], [[["third", !there]], false]);
  }
});

test("a call that has ended during the probe is gone", async () => {
  const { settled, call, add, reply } = doubting();
  add("second");
  call.phase = "over";
  await reply(true);
  assert.deepEqual(settled, [["second", true]]);
});

test("an offer that is withdrawn or forgotten is not settled", async () => {
  const { doubted, settled, add, reply } = doubting();
  add("second");
  doubted.withdraw("bob", "another");
  assert.equal(doubted.has("bob"), true);
  doubted.withdraw("bob", "second");
  await reply(false);
  add("third");
  doubted.clear();
  await reply(false);
  assert.deepEqual(settled, []);
});
