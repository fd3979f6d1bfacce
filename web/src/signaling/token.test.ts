import assert from "node:assert/strict";
import { test } from "node:test";
import { loginOf, takeTokenFrom, tokenFault } from "./token.js";

const JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";

test("the token is taken out of the address, and everything else stays", () => {
  for (const [fragment, token, rest] of [
    [`token=${JWT}`, JWT, ""],
    [`token%3D${JWT}`, JWT, ""],
    [`TOKEN=${JWT}`, JWT, ""],
    [`token=${JWT}&connect=bob`, JWT, "#connect=bob"],
    [`connect=R%26D&token=${JWT}`, JWT, "#connect=R%26D"],
    [`token=${JWT}&token=other`, JWT, ""],
    ["token=opaque/token+with==", "opaque/token+with==", ""],
    ["token=", "", ""],
    ["token=a%2Bb%2Fc%3D", "a+b/c=", ""],
    ["token=with%20space", "", ""],
    ["token=j\u00e9ton", "", ""],
    ["token=%ff", "", ""],
    [`token=${"x".repeat(8_193)}`, "", ""],
  ] as const) {
    for (const page of ["https://p2p.example/", "https://p2p.example/a/?b=c", "file:///web/index.html?service=ws://host"]) {
      assert.deepEqual(takeTokenFrom(`${page}#${fragment}`), { token, rest: page + rest }, fragment);
    }
  }
});

test("a JWT says which login it is for, and other tokens say nothing", () => {
  const jwt = (claims: unknown) => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.c2ln`;
  assert.equal(loginOf(JWT), "alice");
  for (const login of ["Zo\u00eb", "\u{1f600}?>", "a".repeat(64)]) assert.equal(loginOf(jwt({ sub: login })), login);
  for (const token of ["opaque", "a.b.c", "..", jwt({}), jwt({ sub: 1 }), jwt(null), jwt([]), jwt({ sub: "a".repeat(10_000) })]) assert.equal(loginOf(token), undefined, token);
});

test("an address without a token is left alone", () => {
  for (const fragment of ["", "#", "#connect=bob", "#connect=token%3Dx", "#tokens=1", "#a-token=1"]) {
    assert.equal(takeTokenFrom(`https://p2p.example/?token=1${fragment}`), undefined, fragment);
  }
});

test("only what is about the token is said to be", () => {
  assert.deepEqual(["auth-required", "auth-failed", "login-taken", ""].map((code) => tokenFault(code)?.key), ["authRequired", "authFailed", undefined, undefined]);
});
