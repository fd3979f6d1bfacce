import assert from "node:assert/strict";
import { test } from "node:test";
import { phrase } from "../words.js";
import { Alerts } from "./alerts.js";

test("a refusal is said until it is read, and again only when it is another one", () => {
  const alerts = new Alerts();
  alerts.refused("login-taken", "alice");
  assert.deepEqual([alerts.current, alerts.refusal], [phrase("lostLogin", "alice"), phrase("lostLogin", "alice")]);
  alerts.dismiss();
  alerts.refused("login-taken", "alice");
  assert.deepEqual([alerts.current, alerts.refusal?.key], [undefined, "lostLogin"]);
  alerts.refused("rate-limited", "alice");
  assert.equal(alerts.current?.key, "refusedAgain");
  alerts.accepted();
  assert.deepEqual([alerts.current, alerts.refusal], [undefined, undefined]);
});

test("what is said later comes first, and a refusal that nobody has read stays", () => {
  const alerts = new Alerts();
  alerts.refused("login-taken", "alice");
  alerts.said = phrase("unreachable");
  assert.equal(alerts.current?.key, "unreachable");
  alerts.dismiss();
  assert.equal(alerts.current?.key, "lostLogin");
  alerts.dismiss();
  assert.equal(alerts.current, undefined);
});

test("a refusal that is said to whoever wants to call goes with it, and anything else stays", () => {
  for (const [said, left] of [[undefined, undefined], [phrase("unreachable"), "unreachable"]] as const) {
    const alerts = new Alerts();
    alerts.refused("login-taken", "alice");
    alerts.dismiss();
    alerts.said = said ?? alerts.refusal;
    alerts.accepted();
    assert.equal(alerts.current?.key, left);
  }
});

test("what is wrong with a token is said until there is another one", () => {
  const alerts = new Alerts();
  for (const key of ["authRequired", "authFailed", "tokenDamaged"] as const) {
    alerts.said = phrase(key);
    alerts.tokenTaken();
    assert.equal(alerts.current, undefined);
  }
  alerts.said = phrase("unreachable");
  alerts.tokenTaken();
  assert.equal(alerts.current?.key, "unreachable");
});
