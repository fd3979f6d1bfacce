import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_LOGIN_LENGTH } from "../signaling/logins.js";
import { keepLastLogin, readLastLogin } from "./lastlogin.js";

test("the last login is kept until it is forgotten, and a browser that stores nothing is no trouble", () => {
  const stored = new Map<string, string>();
  const before = Object.getOwnPropertyDescriptor(globalThis, "sessionStorage");
  const give = (get: () => unknown) => Object.defineProperty(globalThis, "sessionStorage", { configurable: true, get });
  try {
    give(() => ({
      getItem: (key: string) => stored.get(key) ?? null,
      setItem: (key: string, value: string) => stored.set(key, value),
      removeItem: (key: string) => stored.delete(key),
    }));
    assert.equal(readLastLogin(), "");
    keepLastLogin("alice");
    assert.equal(readLastLogin(), "alice");
    keepLastLogin("x".repeat(2 * MAX_LOGIN_LENGTH));
    assert.equal(readLastLogin().length, MAX_LOGIN_LENGTH);
    keepLastLogin("");
    assert.equal(readLastLogin(), "");
    assert.equal(stored.size, 0);
    give(() => {
      throw new DOMException("no", "SecurityError");
    });
    keepLastLogin("bob");
    assert.equal(readLastLogin(), "");
  } finally {
    if (before === undefined) delete (globalThis as { sessionStorage?: unknown }).sessionStorage;
    else Object.defineProperty(globalThis, "sessionStorage", before);
  }
});
