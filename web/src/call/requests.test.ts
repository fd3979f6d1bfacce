import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { type Request, Requests } from "./requests.js";

beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
afterEach(() => mock.timers.reset());

test("the newest request of a login waits, until the person decides or its time is over", () => {
  const settled: string[] = [];
  const requests = new Requests(({ id }: Request) => void settled.push(id));
  const offer = (peer: string, id: string) => ({ peer, id, sdp: "", bare: false, text: undefined, candidates: [] });
  requests.add(offer("bob", "first"));
  mock.timers.tick(20_000);
  requests.add(offer("BOB", "second"));
  requests.add(offer("carol", "third"));
  assert.deepEqual(requests.all.map(({ id }) => id), ["second", "third"]);
  mock.timers.tick(20_000);
  assert.deepEqual(settled, [], "the newest has a time of its own");
  assert.equal(requests.settle({ peer: "bob", id: "first" }), undefined);
  assert.equal(requests.settle({ peer: "bob", id: "second" })?.peer, "BOB");
  assert.equal(requests.settle({ peer: "bob", id: "second" }), undefined);
  mock.timers.tick(5_000);
  assert.deepEqual([settled, requests.all], [["second", "third"], []]);
});
