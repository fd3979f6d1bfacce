import assert from "node:assert/strict";
import { test } from "node:test";
import { composes, keepFromSubmitting } from "./keys.js";

/** A keydown of Enter. */
const enter = (some: Partial<KeyboardEvent>) => {
  const event = { key: "Enter", isComposing: false, keyCode: 13, prevented: false, preventDefault: () => (event.prevented = true), ...some };
  return event as typeof event & KeyboardEvent;
};

test("Enter that ends a composition is no Enter", () => {
  for (const [browser, event, composing] of [
    ["any, without an input method", enter({}), false],
    ["Chromium and Firefox", enter({ isComposing: true, keyCode: 229 }), true],
    ["Safari, after compositionend", enter({ isComposing: false, keyCode: 229 }), true],
    ["earlier versions of Firefox", enter({ isComposing: true, keyCode: 13 }), true],
  ] as const) {
    assert.equal(composes(event), composing, browser);
    keepFromSubmitting(event);
    assert.equal(event.prevented, composing, browser);
  }
  const letter = enter({ key: "a", keyCode: 229 });
  keepFromSubmitting(letter);
  assert.equal(letter.prevented, false);
});
