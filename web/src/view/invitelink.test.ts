import assert from "node:assert/strict";
import { test } from "node:test";
import { inviteAddress, invitedBy, onlyHere } from "./invitelink.js";

test("a link names whom to connect to, whatever characters the login has", () => {
  for (const page of ["https://host/chat/", "file:///a/index.html?service=ws://host:1", "http://host/#connect=other"]) {
    for (const login of ["alice", "Zoë & co", "a#b=c%20", "日本"]) {
      const address = inviteAddress(page, login);
      assert.equal(invitedBy(address), login);
      assert.equal(new URL(address).search, new URL(page).search);
    }
  }
  for (const page of ["http://host/", "http://host/#", "http://host/#connect=", "http://host/#connect=%E0%A4%A", "http://host/#x=y"]) {
    assert.equal(invitedBy(page), undefined, page);
  }
});

test("a link to this computer's own address is of no use to others, and is known for that", () => {
  for (const page of ["http://localhost:7777/", "http://127.0.0.1:7777/", "http://[::1]:7777/", "http://chat.localhost/", "file:///tmp/index.html"]) {
    assert.ok(onlyHere(inviteAddress(page, "alice")), page);
  }
  for (const page of ["http://192.168.1.5:7777/", "https://chat.example.org/", "http://127.example.org/x"]) {
    assert.ok(!onlyHere(inviteAddress(page, "alice")), page);
  }
});
