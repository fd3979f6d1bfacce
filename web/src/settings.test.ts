import assert from "node:assert/strict";
import { test } from "node:test";
import { Settings, type Shelf } from "./settings.js";

/** What a browser keeps, in memory. */
function memory(kept?: string): Shelf & { kept: string | undefined } {
  return {
    kept,
    getItem() {
      return this.kept ?? null;
    },
    setItem(_key, value) {
      this.kept = value;
    },
    removeItem() {
      this.kept = undefined;
    },
  };
}

const defaults = new Settings(undefined).choices;

test("choices outlast the page, and the other tabs learn of them", () => {
  const shelf = memory();
  let told = 0;
  const other = new Settings(shelf, () => told++);
  new Settings(shelf).choose({ askFirst: true, language: "fr", blocked: ["mallory"] });
  assert.deepEqual(new Settings(shelf).choices, { ...defaults, askFirst: true, language: "fr", blocked: ["mallory"] });
  assert.deepEqual(other.choices, defaults);
  other.reread();
  assert.equal(told, 1);
  assert.deepEqual(other.choices.blocked, ["mallory"]);
  other.clear();
  assert.deepEqual([other.choices, new Settings(shelf).choices], [defaults, defaults]);
});

test("what is kept and makes no sense is as if it were not", () => {
  for (const kept of ["", "{", "null", "7", "[]", '"dark"', '{"darkMode":"x","askFirst":1,"relayOnly":null,"language":"de","blocked":"mallory","later":true}']) {
    assert.deepEqual(new Settings(memory(kept)).choices, defaults, kept);
  }
  assert.deepEqual(new Settings(memory('{"askFirst":true,"blocked":[1,null,"mallory"]}')).choices, { ...defaults, askFirst: true, blocked: ["mallory"] });
});

test("where the browser keeps nothing, or has no room, choices hold for the page", () => {
  const refuse = () => {
    throw new DOMException("no", "QuotaExceededError");
  };
  for (const shelf of [undefined, { getItem: refuse, setItem: refuse, removeItem: refuse }]) {
    const settings = new Settings(shelf);
    settings.choose({ offTheRecord: true });
    assert.equal(settings.choices.offTheRecord, true);
    settings.reread();
    assert.equal(settings.choices.offTheRecord, true, "there is nothing else to follow");
    settings.clear();
    assert.deepEqual(settings.choices, defaults);
  }
});

test("whoever was blocked under an earlier form of the login stays blocked", () => {
  const settings = new Settings({ getItem: () => JSON.stringify({ blocked: ["A", "a", "b"] }), setItem() {}, removeItem() {} }, () => {}, (login) => login.toLowerCase());
  assert.deepEqual(settings.choices.blocked, ["a", "b"]);
});
