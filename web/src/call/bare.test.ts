import assert from "node:assert/strict";
import { test } from "node:test";
import { Correspondence } from "../conversation/correspondence.js";
import { BareChannel } from "./bare.js";
import { FakeChannel, listening } from "./channel.fixture.js";

test("a long text for a client without framing goes as there is room for it, each part once", () => {
  const channel = new FakeChannel();
  const correspondence = new Correspondence("alice's page");
  const long = Array.from({ length: 300_000 }, (_, i) => `${i} `).join("");
  correspondence.post(long);
  correspondence.post("short");
  const { told, listener } = listening();
  const bare = new BareChannel(channel.real, correspondence, listener);
  bare.admit();
  for (let rounds = 0; correspondence.waiting.length > 0; rounds++) {
    assert.ok(channel.bufferedAmount < 1024 * 1024 + 64 * 1024, `${channel.bufferedAmount} bytes in the buffer`);
    assert.ok(rounds < 10, "it comes to an end");
    channel.drain();
  }
  assert.equal(channel.sent.join(""), `${long}short`);
  assert.deepEqual(told, ["sent 1", "sent 2"]);
});
