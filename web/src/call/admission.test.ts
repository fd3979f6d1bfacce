import assert from "node:assert/strict";
import { test } from "node:test";
import { Correspondence } from "../conversation/correspondence.js";
import { Admission } from "./admission.js";

/** An admission to a correspondence with three letters, of a page that has the first. */
function pending() {
  const correspondence = new Correspondence("alice's page");
  for (const text of ["one", "two", "three"]) correspondence.post(text);
  return { correspondence, admission: new Admission(correspondence, "bob's page", { instance: "alice's page", id: 1 }) };
}

test("what is said before the admission counts with it, once", () => {
  const { correspondence, admission } = pending();
  assert.deepEqual([admission.take(1), admission.take(1), admission.take(2)], [true, false, true]);
  assert.deepEqual([admission.read(2), admission.read(1)], [0, 0]);
  assert.equal(admission.granted, false);
  assert.deepEqual([correspondence.received, correspondence.waiting.length], [undefined, 3]);

  const { delivered, read, taken } = admission.grant();
  assert.deepEqual([delivered.map(({ id }) => id), read, taken], [[1], 2, 2]);
  assert.deepEqual(correspondence.received, { instance: "bob's page", id: 2 });
  assert.equal(admission.granted, true);
  assert.deepEqual(admission.grant(), { delivered: [], read: 0, taken: 0 });
});

test("after the admission everything counts at once, and nothing that was never sent is read", () => {
  const { correspondence, admission } = pending();
  assert.deepEqual(admission.grant().read, 0);
  assert.deepEqual([admission.take(5), admission.take(4)], [true, false]);
  assert.equal(correspondence.received?.id, 5);
  assert.deepEqual([admission.read(2), admission.read(9)], [2, 3]);
});

test("a page that says later what it has gets texts then, whoever is let in first", () => {
  for (const grantsFirst of [true, false]) {
    const { correspondence } = pending();
    const admission = new Admission(correspondence, "bob's page", undefined, true);
    const granted = grantsFirst ? admission.grant().delivered : [];
    assert.equal(admission.complete, false);
    assert.deepEqual(admission.hello("another page", { instance: "alice's page", id: 3 }), []);
    const said = admission.hello("bob's page", { instance: "alice's page", id: 2 });
    const late = grantsFirst ? [] : admission.grant().delivered;
    assert.deepEqual([...granted, ...said, ...late].map(({ id }) => id), [1, 2]);
    assert.equal(admission.complete, true);
    assert.deepEqual(admission.hello("bob's page", { instance: "alice's page", id: 3 }), [], "once");
  }
});
