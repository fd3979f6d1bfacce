import assert from "node:assert/strict";
import { test } from "node:test";
import type { CallEnd } from "../call/ends.js";
import { languages, phrase, say } from "../words.js";
import { leftOut, noConnection, noticeOf, refusal } from "./notices.js";

test("how a call has ended is said by how far it got and who called", () => {
  const said = (end: CallEnd, wasOpen: boolean, outgoing: boolean) => {
    const notice = noticeOf(end, { wasOpen, outgoing });
    return notice === undefined ? undefined : "note" in notice ? notice.note : `alert ${notice.alert}`;
  };
  const all = (end: CallEnd) => [said(end, true, true), said(end, true, false), said(end, false, true), said(end, false, false)];
  assert.deepEqual(all("hung-up"), ["noteHungUp", "noteHungUp", "noteCancelled", "noteHungUp"]);
  assert.deepEqual(all("left"), ["noteLeft", "noteLeft", "noteLeft", "noteCancelledByPeer"]);
  assert.deepEqual(all("superseded"), ["noteInterrupted", "noteInterrupted", undefined, undefined]);
  for (const end of ["lost", "gone"] as const) assert.deepEqual(all(end), Array(4).fill("noteInterrupted"));
  assert.deepEqual(all("unreached"), Array(4).fill("alert unreached"));
  assert.deepEqual(all("no-answer"), Array(4).fill("alert didNotAnswer"));
});

test("what would help where no connection can be made depends on whether there is a relay, and on whether it is the only way", () => {
  const said = (relayOnly: boolean, relayed: boolean) => say(languages.en, noConnection("bob", relayOnly, relayed));
  assert.match(said(false, false), /offers no relay.*another network.*TURN server/u);
  assert.match(said(true, false), /offers no relay/u);
  assert.match(said(false, true), /neither directly nor through the service's relay.*another network/u);
  assert.match(said(true, true), /“Relay only” is on.*another network.*turn “Relay only” off/u);
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

test("of files that were attached together it is said which were left out, and why", () => {
  const said = (some: Partial<Parameters<typeof leftOut>[0]>) => {
    const found = leftOut({ folders: [], unreadable: [], large: [], offered: 0, ...some }, "bob", 5_000_000);
    return found && say(languages.en, found);
  };
  assert.equal(said({ offered: 3 }), undefined);
  assert.equal(said({ folders: ["photos"] }), "Folders cannot be sent: photos. Choose the files in them instead.");
  assert.equal(said({ folders: ["photos"], offered: 1 }), "Folders cannot be sent: photos. Choose the files in them instead. The other files were offered.");
  assert.equal(said({ unreadable: ["a\u202eb"] }), "These files cannot be read: a[U+202E]b.");
  assert.equal(said({ large: ["a"] }), "a is too large: the browser of bob currently accepts files up to 5 MB.");
  assert.equal(said({ large: ["a", "b"], folders: ["c"] }), "Folders cannot be sent: c. Choose the files in them instead. Too large: a, b. The browser of bob currently accepts files up to 5 MB.");
  assert.match(said({ large: ["a", "b", "c", "d", "e", "f"], offered: 1 }) ?? "", /^Too large: a, b, c, d, e, …\. .* The other files were offered\.$/u);
});
