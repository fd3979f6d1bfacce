import assert from "node:assert/strict";
import { test } from "node:test";
import { serviceAddress } from "./address.js";

test("the service is beside the page; for a page from disk, where it says", () => {
  for (const [page, service] of [
    ["http://host:7777/", "ws://host:7777/ws"],
    ["https://host/", "wss://host/ws"],
    ["http://host/signaling/", "ws://host/signaling/ws"],
    ["https://host:8443/a/b/index.html?x=y#z", "wss://host:8443/a/b/ws"],
    ["file:///home/alice/web/index.html", "ws://localhost:7777"],
    ["file:///home/alice/web/index.html?service=ws://192.168.1.2:8080", "ws://192.168.1.2:8080"],
  ] as const) {
    assert.equal(serviceAddress(page), service, page);
  }
});
