import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_TEXT_BYTES } from "../call/framing.js";
import type { ConversationPhase } from "./liveconversation.js";
import { offerable, whyNotSent } from "./sending.js";

const file = (name: string, size: number) => ({ name, size }) as File;

test("a text is sent to somebody who is there, or comes back, and to nobody else", () => {
  const reasons = (text: string) => {
    const phases: (ConversationPhase | undefined)[] = [undefined, "off", "asking", "calling", "connecting", "open", "reconnecting"];
    return phases.map((phase) => whyNotSent(text, phase && { phase })?.key);
  };
  assert.deepEqual(reasons("hello"), [...Array(5).fill("nobodyYet"), undefined, undefined]);
  assert.deepEqual(reasons("\u200b\n"), Array(7).fill("invisibleText"), "it would be so for everybody");
});

test("a text is as long as its bytes in UTF-8", () => {
  const reason = (text: string) => whyNotSent(text, { phase: "open" })?.key;
  for (const character of ["a", "é", "€", "😀"]) {
    const most = character.repeat(MAX_TEXT_BYTES / new TextEncoder().encode(character).length);
    assert.deepEqual([reason(most), reason(most + character)], [undefined, "tooLong"], character);
  }
});

test("files are offered as far as the other page takes them, and the others are named", () => {
  const offered = (files: File[], limit: number | undefined, others: { folders?: string[]; unreadable?: string[] } = {}) => {
    const { files: chosen, said } = offerable({ files, ...others }, "bob", limit);
    return [chosen.map(({ name }) => name), said?.key];
  };
  assert.deepEqual(offered([file("a", 10)], undefined), [[], "takesNoFiles"]);
  assert.deepEqual(offered([], 10), [[], "nothingToAttach"]);
  assert.deepEqual(offered([file("a", 10), file("empty", 0)], 10), [["a", "empty"], undefined]);
  assert.deepEqual(offered([file("a", 11)], 10), [[], "fileTooLargeForPeer"]);
  assert.deepEqual(offered([file("a", 11), file("b", 10)], 10), [["b"], "leftOut"]);
  assert.deepEqual(offered([file("b", 10)], 10, { folders: ["holiday"] }), [["b"], "leftOut"]);
  assert.deepEqual(offered([], 10, { unreadable: ["gone"] }), [[], "leftOut"]);
});
