import assert from "node:assert/strict";
import { test } from "node:test";
import { obstacle } from "./obstacle.js";

const service = "wss://chat.example.org/chat/ws";
const origin = "https://chat.example.org";

test("what answers at the address of the service says why no WebSocket gets through", async () => {
  const statuses: [number, string | undefined][] = [
    [426, "obstacleUpgrade"],
    [403, "obstacleOrigin"],
    [503, "obstacleFull"],
    [429, "obstacleFull"],
    [502, "obstacleGateway"],
    [504, "obstacleGateway"],
    [404, "obstacleElsewhere"],
    [200, "obstacleElsewhere"],
    [401, "obstacleElsewhere"],
  ];
  for (const [status, key] of statuses) {
    const asked: string[] = [];
    const found = await obstacle(service, origin, async (address) => {
      asked.push(String(address));
      return new Response("", { status });
    });
    assert.deepEqual([found?.key, asked], [key, ["https://chat.example.org/chat/ws?origin=https%3A%2F%2Fchat.example.org"]], `${status}`);
  }
});

test("where nothing answers, or the page cannot ask, there is nothing to say", async () => {
  assert.equal(await obstacle(service, origin, () => Promise.reject(new TypeError("Failed to fetch"))), undefined);
  const never = () => assert.fail("a browser does not let the page see the answer");
  for (const from of ["http://chat.example.org", "https://chat.example.org:8443", "null"]) assert.equal(await obstacle(service, from, never), undefined);
});
