import assert from "node:assert/strict";
import { test } from "node:test";
import { inviteAddress, invitationAt, invitationIn, onlyHere } from "./invitelink.js";

/** What an invitation comes to, in short. */
const short = (found: ReturnType<typeof invitationAt>) =>
  found === undefined ? "none" : "login" in found ? `login ${found.login}` : [found.fault.key, ...found.fault.args].join(" ");

test("a link names whom to connect to, whatever characters the login has", () => {
  for (const page of ["https://host/chat/", "file:///a/index.html?service=ws://host:1", "http://host/#connect=other"]) {
    for (const login of ["alice", "Zoë & co", "a#b=c%20", "日本", "bob\u202e"]) {
      const address = inviteAddress(page, login);
      assert.deepEqual(invitationAt(address), { login });
      assert.equal(new URL(address).search, new URL(page).search);
    }
  }
  for (const link of ["http://host/#connect%3Dalice", "http://host/#Connect=alice", "http://host/#connect=alice%20"]) {
    assert.equal(short(invitationAt(link)), "login alice", link);
  }
  for (const page of ["http://host/", "http://host/#", "http://host/#x=y", "http://host/#connection", "http://host/#a"]) {
    assert.equal(invitationAt(page), undefined, page);
  }
});

test("a damaged link is known for that", () => {
  for (const hash of ["#connect=", "#connect=%20", "#connect=%E0%A4%A", "#connect=%", "#connect", "#conn", "#c", "#connect:alice", `#connect=${"a".repeat(1025)}`, "#connect%3D", "#connect%20alice"]) {
    assert.equal(short(invitationAt(`http://host/${hash}`)), "inviteDamaged", hash);
  }
});

test("an invite for another service is known where the link says so", () => {
  assert.equal(short(invitationAt("http://host/?service=ws://other:1#connect=alice")), "inviteElsewhere other:1");
  assert.equal(short(invitationAt("http://host/?service=x#connect=alice")), "inviteElsewhere x");
  assert.equal(short(invitationAt("http://host:7777/?service=ws://host:7777#connect=alice")), "login alice");
});

test("a link that was typed in place of a login is read", () => {
  const page = "https://host/chat/";
  for (const [typed, found] of [
    ["https://host/chat/#connect=alice", "login alice"],
    [" https://host/chat/index.html#connect=Zo%C3%AB ", "login Zoë"],
    ["https://other.example/#connect=alice", "inviteElsewhere other.example"],
    ["http://host/chat/#connect=alice", "inviteElsewhere host"],
    ["https://host/chat/#connect=", "inviteDamaged"],
    ["file:///a/index.html?service=ws://other:7#connect=alice", "inviteElsewhere other:7"],
    ["https://host/chat/#token=a.b.c", "tokenTyped"],
    ["https://host/chat/#connect=alice&token=", "tokenTyped"],
    ["https://other.example/#token=a.b.c&connect=alice", "tokenTyped"],
    ["https://host/chat/", "none"],
    ["alice", "none"],
    ["http://", "none"],
    ["#connect=alice", "none"],
  ] as const) {
    assert.equal(short(invitationIn(typed, page)), found, typed);
  }
});

test("an invite link has no token in it", () => {
  assert.equal(inviteAddress("https://host/chat/?a=b#token=a.b.c&connect=bob", "alice"), "https://host/chat/?a=b#connect=alice");
});

test("a link to this computer's own address is of no use to others, and is known for that", () => {
  for (const page of ["http://localhost:7777/", "http://127.0.0.1:7777/", "http://[::1]:7777/", "http://chat.localhost/", "file:///tmp/index.html"]) {
    assert.ok(onlyHere(inviteAddress(page, "alice")), page);
  }
  for (const page of ["http://192.168.1.5:7777/", "https://chat.example.org/", "http://127.example.org/x"]) {
    assert.ok(!onlyHere(inviteAddress(page, "alice")), page);
  }
});
