import assert from "node:assert/strict";
import { test } from "node:test";
import type { CallEnd } from "../call/ends.js";
import { phrase } from "../words.js";
import { noticeOf, refusal } from "./notices.js";

test("how a call has ended is said by how far it got and who called", () => {
  const said = (end: CallEnd, wasOpen: boolean, outgoing: boolean) => {
    const notice = noticeOf(end, { wasOpen, outgoing });
    return notice === undefined ? undefined : "note" in notice ? notice.note : `alert ${notice.alert}`;
  };
  const all = (end: CallEnd) => [said(end, true, true), said(end, true, false), said(end, false, true), said(end, false, false)];
  assert.deepEqual(all("hung-up"), ["noteHungUp", "noteHungUp", "noteCancelled", "noteCancelled"]);
  assert.deepEqual(all("left"), ["noteLeft", "noteLeft", "noteLeft", "noteCancelledByPeer"]);
  assert.deepEqual(all("superseded"), ["noteLeft", "noteLeft", undefined, undefined]);
  assert.deepEqual(all("lost"), Array(4).fill("noteLost"));
  assert.deepEqual(all("no-answer"), Array(4).fill("alert didNotAnswer"));
});

test("why a login is refused is said in the page's words where it knows the reason, and in the service's otherwise", () => {
  const said = (code: string, message = "") => refusal("alice", { code, message });
  assert.deepEqual(said("login-taken", "Taken."), phrase("inUse", "alice"));
  assert.deepEqual(said("unreachable"), phrase("unreachable"));
  const named = "U+0640 (a tatweel, which only stretches a word) cannot be in a login. Leave it out.";
  assert.deepEqual(said("login-invalid", named), phrase("refusedLogin", named));
  assert.deepEqual(said("login-invalid"), phrase("invalidLogin"));
  assert.deepEqual(said("malformed", named), phrase("refusedLogin", named));
  assert.deepEqual(said("malformed"), phrase("unfitLogin"), "a service that answers with an error");
  assert.deepEqual(said("of a later version", "Not today."), phrase("verbatim", "Not today."));
  assert.deepEqual(said(""), phrase("inUse", "alice"), "the original service says nothing");
  assert.deepEqual(refusal("alice", { code: "stopped", message: "", reason: phrase("stopEnded") }), phrase("stopEnded"));
});
