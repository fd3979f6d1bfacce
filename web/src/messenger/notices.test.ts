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

test("the words about each end of a call are true for whoever reads them", () => {
  const always = (words: string): [string, string, string] => [words, words, words];
  const said: Record<CallEnd, [outgoing: string | undefined, incoming: string | undefined, open: string | undefined]> = {
    "hung-up": ["You cancelled the call to bob", "You disconnected from bob", "You disconnected from bob"],
    left: ["bob left", "bob cancelled the call", "bob left"],
    superseded: [undefined, undefined, "The connection to bob was lost"],
    lost: always("The connection to bob was lost"),
    gone: always("The connection to bob was lost"),
    away: always("bob has closed or reloaded the page"),
    unloaded: [undefined, undefined, undefined],
    rerouted: [undefined, undefined, undefined],
    garbled: always("Disconnected from bob: their page sent something that could not be read"),
    "identity-changed": always(
      "The call was ended: bob's identity is not the one from before. Call bob again to decide",
    ),
    unavailable: always("bob is not here. Check the spelling, or try again later."),
    undeliverable: always("The service could not connect you to bob. Please try again in a moment."),
    unreadable: always("bob cannot be a login: it contains a character that is not allowed. Check the spelling."),
    busy: always("bob cannot take another call now. Please try again in a minute."),
    declined: always("bob declined."),
    "no-relay": always(
      "bob could not be reached: “Relay only” is on there, but this service offers no relay. Ask bob to turn it off in the settings, or ask the operator for a TURN server.",
    ),
    "no-answer": always("bob did not answer. Please try again later."),
    unreached: always("Your connection to the service was lost before you were connected to bob. Please try again when it is back."),
    "no-connection": always("No direct connection to bob could be made, and this service offers no relay. Try another network, or ask the operator for a TURN server."),
    "missing-fingerprint": always(
      "You were not connected to bob: the call has no SHA-256 fingerprint, so this page cannot tell who is there. bob needs another browser or program.",
    ),
    "several-fingerprints": always(
      "You were not connected to bob: the call names several certificates, so this page cannot tell who is there. If this happens again, somebody may be changing your calls: ask bob in another way.",
    ),
    "unreadable-fingerprint": always(
      "You were not connected to bob: this page cannot read which certificate the call names, so it cannot tell who is there. If this happens again, ask bob in another way.",
    ),
    "other-certificate": always(
      "The call with bob was ended: the certificate at the other end is not the one that the call names. Somebody may be changing your calls: ask bob in another way.",
    ),
  };
  const places = [
    { wasOpen: false, outgoing: true },
    { wasOpen: false, outgoing: false },
    { wasOpen: true, outgoing: true },
    { wasOpen: true, outgoing: false },
  ];
  for (const [end, [outgoing, incoming, open]] of Object.entries(said) as [CallEnd, (typeof said)[CallEnd]][]) {
    for (const [i, want] of [outgoing, incoming, open, open].entries()) {
      const notice = noticeOf(end, places[i]!);
      const words = notice && phrase("note" in notice ? notice.note : notice.alert, "bob");
      assert.equal(words && say(languages.en, words), want, `${end} ${JSON.stringify(places[i])}`);
      if (words !== undefined) assert.match(say(languages.fr, words), /bob/u, `${end}, in French`);
    }
  }
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
