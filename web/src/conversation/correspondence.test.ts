import assert from "node:assert/strict";
import { test } from "node:test";
import { Correspondence } from "./correspondence.js";

/** A text arrives. Returns whether it is new. */
function take(receiver: Correspondence, sender: Correspondence, { id }: { id: number }): boolean {
  const isNew = !receiver.has(sender.instance, id);
  receiver.take(sender.instance, id);
  return isNew;
}

test("each text arrives once and in order however often the channel breaks", () => {
  // The channel may break at every text and at every receipt. All such histories are tried.
  for (let history = 0; history < 3 ** 6; history++) {
    const alice = new Correspondence("alice's page");
    const bob = new Correspondence("bob's page");
    for (const text of ["one", "two", "three"]) alice.post(text);
    const arrived: string[] = [];
    let steps = history;
    for (let attempt = 0; attempt < 10 && alice.waiting.length > 0; attempt++) {
      alice.confirmHello(bob.received);
      for (const letter of [...alice.waiting]) {
        const fate = steps % 3;
        steps = Math.floor(steps / 3);
        if (fate === 1) break; // The text is lost, and the channel with it.
        if (take(bob, alice, letter)) arrived.push(letter.text);
        if (fate === 2) break; // The receipt is.
        alice.confirm(letter.id);
      }
    }
    assert.deepEqual(arrived, ["one", "two", "three"], `history ${history}`);
    assert.equal(alice.waiting.length, 0);
  }
});

test("a page that was loaded afresh starts anew on both sides", () => {
  const bob = new Correspondence("bob's page");
  bob.take("alice's first page", 5);
  assert.equal(bob.has("alice's second page", 1), false);
  bob.take("alice's second page", 1);
  assert.equal(bob.has("alice's second page", 1), true);

  const alice = new Correspondence("alice's second page");
  alice.post("not yet there");
  assert.deepEqual(alice.confirmHello({ instance: "alice's first page", id: 5 }), []);
  assert.equal(alice.waiting.length, 1);
});

test("what waited when pages were loaded anew arrives once, however often that happens and whatever had arrived", () => {
  for (let history = 0; history < 2 ** 6; history++) {
    let alice = new Correspondence("alice's page 0");
    const bob = new Correspondence("bob's page");
    const arrived: string[] = [];
    for (const text of ["one", "two"]) alice.post(text);
    let steps = history;
    for (let page = 1; page <= 4; page++) {
      const connects = steps % 2 === 1 || page === 4;
      steps >>= 1;
      if (connects) {
        alice.confirmHello(bob.received);
        for (const letter of [...alice.waiting]) {
          if (take(bob, alice, letter)) arrived.push(letter.text);
          const confirmed = steps % 2 === 1 || page === 4;
          steps >>= 1;
          if (!confirmed) break; // The page ends before it hears that this one has arrived.
          alice.confirm(letter.id);
        }
      }
      alice = new Correspondence(`alice's page ${page}`, JSON.parse(JSON.stringify(alice.kept)));
    }
    assert.deepEqual(arrived, ["one", "two"], `history ${history}`);
    assert.equal(alice.waiting.length, 0);
  }
});
