import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Backoff } from "./backoff.js";
import { stopReason } from "./closing.js";
import { ServiceConnection } from "./service.js";
import type { KeptSession } from "./session.js";
import { phrase } from "../words.js";

/** A WebSocket whose other end is the test. */
class FakeSocket {
  static readonly OPEN = 1;
  static all: FakeSocket[] = [];
  readyState = 0;
  readonly sent: { type: string; login?: string; logins?: string[]; resume?: string; token?: string; received?: number; call?: string }[] = [];
  readonly texts: string[] = [];
  onopen: (() => void) | undefined;
  onmessage: ((event: { data: string }) => void) | undefined;
  onclose: ((event: { code: number; reason: string }) => void) | undefined;

  constructor() {
    FakeSocket.all.push(this);
  }

  send(data: string): void {
    this.texts.push(data);
    this.sent.push(JSON.parse(data));
  }

  close(): void {
    this.readyState = 3;
  }

  /** The service accepts the connection. */
  open(): void {
    this.readyState = FakeSocket.OPEN;
    this.onopen?.();
  }

  /** The service sends a frame. */
  says(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  /** The service, or the network, ends the connection. */
  ends(code: number, reason = ""): void {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
}

const original = globalThis.WebSocket;

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  FakeSocket.all = [];
  Object.assign(globalThis, { WebSocket: FakeSocket });
});

afterEach(() => {
  mock.timers.reset();
  Object.assign(globalThis, { WebSocket: original });
});

const accepted = { type: "login", success: true };
const taken = { type: "login", success: false, code: "login-taken", message: "The login is taken." };
const notLoggedIn = { type: "error", code: "not-logged-in", message: "Log in first." };
const malformed = { type: "error", code: "malformed", message: "The message is not I-JSON." };

/** A connection of which the service has accepted the socket, and what it has told its listener. */
function connected(backoff = new Backoff(1_000, 1_000, () => 0.5)) {
  const heard: string[] = [];
  const state = { urgent: false, pending: false, fails: false, stored: 0, token: undefined as string | undefined, kept: undefined as KeptSession | undefined };
  const service = new ServiceConnection(
    "ws://host/ws",
    {
      stateChanged: () => {},
      received: (frame) => {
        if (state.fails) throw new Error("the page fails");
        heard.push(frame.type === "error" ? frame.code : frame.type);
      },
      presence: (online, offline) => heard.push(`presence: ${online.join()} | ${offline.join()}`),
      loginLost: (code) => heard.push(`lost: ${code}`),
      loginRegained: (kept) => heard.push(kept ? "regained" : "regained anew"),
      keep: (session) => {
        state.stored++;
        state.kept = session;
      },
      keepToken: (token) => (state.token = token),
      tokenRefused: (code) => heard.push(`token: ${code}`),
      pending: () => state.pending,
      answered: () => heard.push("answered"),
      urgent: () => state.urgent,
    },
    backoff,
  );
  service.connect();
  latest().open();
  return { service, heard, state };
}

/** A connection to a service on which no WebSocket opens. `found` is what the page finds in the way, one after the other. */
function kept(found: (string | undefined)[]) {
  const changes: (string | undefined)[] = [];
  const listener = { stateChanged: () => {}, received() {}, presence() {}, loginLost() {}, loginRegained() {}, keep() {}, keepToken() {}, tokenRefused() {}, pending: () => false, answered() {}, urgent: () => false };
  const service: ServiceConnection = new ServiceConnection("ws://host/ws", listener, new Backoff(1_000, 1_000, () => 0.5), async () => {
    const key = found.shift();
    return key === undefined ? undefined : phrase(key as "obstacleFull");
  });
  service.connect();
  const fails = async () => {
    latest().ends(1006);
    await new Promise((resolve) => setImmediate(resolve));
    changes.push(service.obstacle?.key);
    mock.timers.tick(1_000);
  };
  return { service, fails, changes, found };
}

function latest(): FakeSocket {
  return FakeSocket.all.at(-1)!;
}

test("after each close code the page comes back by itself, or does not, as the protocol asks", () => {
  const comesBack = [1001, 1005, 1006, 1011, 1012, 1013, 4000, 4001, 4099];
  const staysAway = [1000, 1002, 1003, 1007, 1008, 1009, 4002, 4100, 4101, 4199];
  for (const code of comesBack) assert.equal(stopReason(code), undefined, `${code}`);
  for (const code of staysAway) {
    assert.notEqual(stopReason(code), undefined, `${code}`);
    FakeSocket.all = [];
    const { service } = connected();
    latest().ends(code);
    mock.timers.tick(3_600_000);
    assert.equal(FakeSocket.all.length, 1, `${code}: attempts to connect`);
    assert.equal(service.state.kind, "stopped", `${code}`);
  }
});

test("a message that the network cut off is no reason to stay away", () => {
  assert.equal(stopReason(1008, "a message begun and not finished"), undefined);
  assert.deepEqual(stopReason(1008, "too many refused logins in a row"), phrase("stopRefused"));
  assert.deepEqual(stopReason(1008, "no login came in time"), phrase("stopEnded"));
});

test("what keeps the page from the service is said once it was found twice in a row, and until the page is connected", async () => {
  const { service, fails, changes } = kept([undefined, "obstacleUpgrade", "obstacleUpgrade", "obstacleGateway", "obstacleGateway"]);
  for (let i = 0; i < 10; i++) await fails();
  assert.deepEqual(changes, [...Array(4).fill(undefined), ...Array(3).fill("obstacleUpgrade"), ...Array(3).fill(undefined)]);
  await fails();
  assert.equal(service.obstacle?.key, "obstacleGateway");
  latest().open();
  assert.equal(service.obstacle, undefined);
  await fails();
  await fails();
  assert.equal(service.obstacle, undefined, "a connection that breaks has nothing in its way");
});

test("the wait that the service asks for is kept, but for none at all", () => {
  for (const [reason, wait] of [["retry=2300", 2_300], ["retry=0", 250]] as const) {
    connected();
    const sockets = FakeSocket.all.length;
    latest().ends(1012, reason);
    mock.timers.tick(wait - 1);
    assert.equal(FakeSocket.all.length, sockets, reason);
    mock.timers.tick(1);
    assert.equal(FakeSocket.all.length, sockets + 1, reason);
  }
});

test("a service that is full is not hurried", () => {
  for (const [code, wait] of [[1006, 2_000], [1013, 20_000]] as const) {
    const { state } = connected(new Backoff(20_000, 20_000, () => 1));
    state.urgent = true;
    latest().ends(code);
    const sockets = FakeSocket.all.length;
    mock.timers.tick(wait - 1);
    assert.equal(FakeSocket.all.length, sockets, `${code}`);
    mock.timers.tick(1);
    assert.equal(FakeSocket.all.length, sockets + 1, `${code}`);
  }
});

test("a Join at an address that is none ends at once", async () => {
  const { service } = connected();
  latest().ends(1006);
  Object.assign(globalThis, {
    WebSocket: class {
      constructor() {
        throw new DOMException("no", "SyntaxError");
      }
    },
  });
  const reason = phrase("stopAddress", "ws://host/ws");
  const joined = service.join("alice");
  mock.timers.tick(10_000); // A Join that waits ends by then.
  assert.deepEqual([await joined, service.state], [{ joined: false, code: "stopped", message: "", reason }, { kind: "stopped", reason }]);
});

test("the clock of the device does not count in the wait until the next attempt", () => {
  mock.timers.setTime(Date.UTC(2126, 0)); // It is set back some time.
  const { service } = connected();
  const before = performance.now();
  latest().ends(1012, "retry=2300");
  const { state } = service;
  assert.ok(state.kind === "waiting" && state.until >= before + 2_300 && state.until <= performance.now() + 2_300);
});

test("a network that is back shortens a wait and revives nothing that was stopped", () => {
  const { service } = connected();
  latest().ends(1006);
  service.hurry();
  assert.equal(FakeSocket.all.length, 2, "a connection that waited is tried now");

  latest().open();
  latest().ends(1008);
  service.hurry();
  assert.equal(FakeSocket.all.length, 2, "a connection that was stopped stays so");
  assert.equal(service.state.kind, "stopped");

  service.connect();
  assert.equal(FakeSocket.all.length, 3, "the person may still connect");
});

test("a network that has changed makes the waits short again", () => {
  for (const [changed, waits] of [[true, 1_000], [false, 8_000]] as const) {
    const { service } = connected(new Backoff(1_000, 8_000, () => 1));
    for (const wait of [1_000, 2_000, 4_000]) {
      latest().ends(1006);
      mock.timers.tick(wait);
    }
    latest().ends(1006);
    service.hurry(changed);
    latest().ends(1006); // The first attempt may come before the network is ready.
    const attempts = FakeSocket.all.length;
    mock.timers.tick(waits - 1);
    assert.equal(FakeSocket.all.length, attempts);
    mock.timers.tick(1);
    assert.equal(FakeSocket.all.length, attempts + 1);
  }
});

/** Joins as alice, loses the connection and is back, with the login asked for again. */
async function back() {
  const page = connected();
  const joined = page.service.join("alice");
  latest().says(accepted);
  assert.deepEqual(await joined, { joined: true });
  latest().ends(1006);
  mock.timers.tick(1_000);
  latest().open();
  assert.equal(page.service.state.kind, "connecting", "without its login the page is not connected");
  const { resume } = latest().sent[0]!;
  assert.deepEqual(latest().sent, [{ type: "login", login: "alice", keep: true, resume, received: 0 }]);
  return page;
}

const relay = (credential: string) => ({ urls: ["turn:relay"], username: "alice", credential });

test("ICE servers are renewed before their credentials end, and those of now stay while the service has no others", () => {
  const { service } = connected();
  void service.join("alice");
  latest().says({ ...accepted, iceServers: [relay("first")] });
  const asked = () => latest().sent.filter(({ type }) => type === "ice-servers").length;
  const credentials = () => service.iceServers.all.map(({ credential }) => credential);
  mock.timers.tick(50 * 60_000);
  assert.equal(asked(), 1);
  for (const iceServers of [[], undefined, [{ urls: "nonsense" }]]) {
    latest().says({ type: "ice-servers", iceServers });
    assert.deepEqual([credentials(), service.iceServers.relayed], [["first"], true]);
  }
  mock.timers.tick(3 * 60_000);
  assert.equal(asked(), 2, "it is asked again before the credentials end");
  latest().says({ type: "ice-servers", iceServers: [relay("second")] });
  assert.deepEqual(credentials(), ["second"]);
  mock.timers.tick(50 * 60_000);
  assert.equal(asked(), 3);
});

test("ICE servers that come after Sign out change nothing, and the next Join has those of its own answer", () => {
  const { service } = connected();
  void service.join("alice");
  latest().says({ ...accepted, iceServers: [relay("alice's")] });
  service.leave();
  const sent = latest().sent.length;
  mock.timers.tick(50 * 60_000);
  assert.equal(latest().sent.slice(sent).some(({ type }) => type === "ice-servers"), false, "nobody renews them without a login");
  latest().says({ type: "ice-servers", iceServers: [relay("late")] });
  assert.deepEqual(service.iceServers.all, [relay("alice's")]);
  void service.join("bob");
  latest().says(accepted);
  assert.deepEqual([service.iceServers.all, service.iceServers.relayed], [[], false]);
});

test("signing out gives up a login that is held", async () => {
  const { service } = await back();
  latest().says(accepted);
  assert.equal(service.state.kind, "connected");
  service.leave();
  assert.deepEqual(latest().sent.at(-1), { type: "logout", login: "alice" });
});

test("signing out after the login was refused sends nothing", async () => {
  const { service, heard } = await back();
  latest().says(taken);
  service.leave();
  assert.equal(service.state.kind, "connected");
  assert.equal(latest().sent.length, 1);
  mock.timers.tick(60_000);
  assert.deepEqual(latest().sent.map(({ type }) => type), ["login", "ping"], "the login is not asked for again");
  assert.deepEqual(heard, []);
});

test("signing out before the service has answered gives the login up, and its refusal is not news", async () => {
  const { service, heard } = await back();
  service.leave();
  assert.deepEqual(latest().sent.at(-1), { type: "logout", login: "alice" });
  latest().says(taken);
  latest().says(notLoggedIn);
  assert.deepEqual(heard, []);
  latest().says(notLoggedIn);
  assert.deepEqual(heard, ["not-logged-in"], "one that answers no logout is");
});

test("a login that the service cannot read is refused at once", async () => {
  const { service, heard } = connected();
  const joined = service.join("a\uffff");
  latest().says(malformed);
  const result = await joined;
  assert.equal(result.joined, false);
  assert.equal(!result.joined && result.code, "malformed");
  assert.deepEqual(heard, []);

  const again = service.join("alice");
  latest().says(accepted);
  assert.deepEqual(await again, { joined: true });
  latest().says(malformed);
  assert.deepEqual(heard, ["malformed"], "without a login under way it is passed on");
});

test("a login that comes after it was given up is given back", async () => {
  const { service } = connected();
  const joined = service.join("alice");
  latest().says(malformed);
  assert.equal((await joined).joined, false);
  latest().says(accepted);
  assert.equal(FakeSocket.all[0]!.readyState, 3, "the connection that has it is closed");
  assert.equal(service.ready, false);
});

const unknownType = { type: "error", code: "unknown-type", message: "The service does not know this." };

/** Joins as alice and watches. */
async function watching(logins: string[]) {
  const page = connected();
  const joined = page.service.join("alice");
  latest().says(accepted);
  await joined;
  assert.equal(latest().sent.pop()?.type, "ping", "the service may ask this page for a sign of life, too");
  page.service.watch(logins);
  await Promise.resolve();
  return page;
}

const pong = { type: "pong" };
const pings = () => latest().sent.filter(({ type }) => type === "ping").length;

test("a connection that gives no sign of life is let go, and one that gives any stays", async () => {
  const { service, heard } = await watching(["bob"]);
  mock.timers.tick(10_000);
  for (const answer of [unknownType, pong, { type: "presence", online: [], offline: ["bob"] }]) {
    service.hurry();
    assert.deepEqual([latest().sent.at(-1)?.type, service.ready, service.doubted], ["ping", true, true]);
    mock.timers.tick(2_999);
    latest().says(answer);
    assert.equal(service.doubted, false);
    mock.timers.tick(5_000);
    assert.equal(service.ready, true);
  }
  assert.deepEqual(heard, ["answered", "answered", "answered", "presence:  | bob"]);
  service.hurry();
  mock.timers.tick(2_000);
  const asked = pings();
  service.hurry();
  assert.equal(pings(), asked, "it is asked once");
  mock.timers.tick(1_000);
  assert.deepEqual([service.ready, service.state.kind, FakeSocket.all.length], [false, "connecting", 2], "the page connects again at once");
});

test("a connection that fails again and again is tried again with the back-off", async () => {
  const { service } = await watching([]);
  service.hurry();
  mock.timers.tick(5_000);
  assert.deepEqual([service.state.kind, FakeSocket.all.length], ["waiting", 1]);
  mock.timers.tick(1_000);
  assert.equal(FakeSocket.all.length, 2);
});

test("a connection that has become silent is asked for a sign of life, and so is one on which frames stay unanswered", async () => {
  const { service } = await watching([]);
  for (let i = 0; i < 3; i++) {
    mock.timers.tick(19_999);
    assert.equal(pings(), i);
    mock.timers.tick(1);
    assert.equal(pings(), i + 1);
    latest().says(pong);
  }
  service.send({ type: "bye", reason: "left", to: "bob", call: "1" });
  mock.timers.tick(2_000);
  assert.equal(pings(), 4);
  mock.timers.tick(5_000);
  assert.equal(FakeSocket.all.length, 2, "a login that was taken meanwhile is noticed without a click");
  latest().open();
  mock.timers.tick(2_000);
  assert.deepEqual(latest().sent.map(({ type }) => type), ["login", "ping", "ping"], "the login is not answered");
});

test("a service that answers no ping is left alone after a while", async () => {
  const { service } = await watching([]);
  mock.timers.tick(600_000);
  for (let i = 0; i < 5; i++) {
    if (service.state.kind === "connecting") {
      latest().open();
      latest().says(accepted);
    }
    mock.timers.tick(600_000);
  }
  assert.deepEqual([FakeSocket.all.length, service.ready], [3, true]);
  service.hurry();
  mock.timers.tick(5_000);
  assert.equal(service.ready, false, "a doubt counts all the same");
});

test("the answers to a ping are no news, whatever the service is", async () => {
  const { service, heard } = await watching([]);
  const unknown = { type: "error", message: "Command not found: ping" };
  latest().says(unknown);
  service.hurry();
  latest().says(unknown);
  assert.deepEqual(heard, ["answered"]);
  latest().says(unknown);
  assert.deepEqual(heard, ["answered", ""], "an error that nobody has asked for is heard");
});

test("an attempt to connect that began before the network changed is made anew", () => {
  const page = connected();
  latest().ends(1006);
  mock.timers.tick(1_000);
  const clock = performance.now();
  mock.method(performance, "now", () => clock + 1_500);
  page.service.hurry();
  assert.equal(FakeSocket.all.length, 3);
  page.service.hurry();
  assert.equal(FakeSocket.all.length, 3);
  mock.restoreAll();
});

for (const [urgent, attempts] of [[true, 60], [false, 8]] as const) {
  test(`the page tries to connect ${attempts} times in two minutes ${urgent ? "while somebody waits for it" : "otherwise"}`, () => {
    const { state } = connected(new Backoff(500, 30_000, () => 0.99));
    state.urgent = urgent;
    for (let i = 0; i < 60; i++) {
      latest().ends(1006);
      mock.timers.tick(2_000);
    }
    assert.equal(FakeSocket.all.length - 1, attempts);
  });
}

test("a login that an earlier connection of the page may still hold is no news, and then it is", async () => {
  const { heard } = await back();
  let clock = performance.now();
  mock.method(performance, "now", () => clock);
  for (; clock < 100_000 && heard.length === 0; clock += 1_000) {
    const asked = latest().sent.filter(({ type }) => type === "login").length;
    latest().says(taken);
    mock.timers.tick(31_000);
    assert.equal(latest().sent.filter(({ type }) => type === "login").length, asked + 1);
  }
  mock.restoreAll();
  assert.deepEqual(heard, ["lost: login-taken"]);
});

test("a login that an earlier connection of the page may still hold is asked for every 2 s at least", async () => {
  mock.method(Math, "random", () => 0.999);
  await back();
  for (let asked = 1; asked <= 6; asked++) {
    assert.equal(latest().sent.filter(({ type }) => type === "login").length, asked);
    latest().says(taken);
    mock.timers.tick(2_000);
  }
  mock.restoreAll();
});

test("a login that somebody else holds is asked for again and again, on other connections before the service ends one for that", async () => {
  const { service, heard } = await back();
  const before = FakeSocket.all.length;
  let clock = performance.now();
  mock.method(performance, "now", () => clock);
  const refused = async (times: number) => {
    for (let i = 0; i < times; i++) {
      latest().says(taken);
      clock += 31_000;
      mock.timers.tick(31_000);
      if (latest().readyState === 0) latest().open();
    }
  };
  await refused(100);
  const asked = FakeSocket.all.slice(before - 1).map(({ sent }) => sent.filter(({ type }) => type === "login").length);
  assert.deepEqual(asked, [19, 19, 19, 19, 19, 6]);
  assert.deepEqual([service.state.kind, service.login], ["connected", "alice"]);
  const news = heard.length;
  await refused(13);
  latest().says(taken);
  assert.deepEqual([heard.length, service.state.kind], [news + 13, "waiting"]);
  mock.timers.tick(1_000);
  latest().open();
  latest().says(taken);
  assert.deepEqual([heard.length, service.state.kind], [news + 14, "connected"], "nobody believes that an earlier connection holds it");
  latest().ends(1006);
  mock.timers.tick(1_000);
  latest().open();
  latest().says(taken);
  assert.deepEqual([heard.length, service.state.kind], [news + 14, "connecting"], "now one may");
  mock.restoreAll();
});

test("a connection that ends because the login is refused for long is followed by another one", async () => {
  const { service } = await back();
  latest().says(taken);
  latest().ends(1008, "no login came in time");
  assert.equal(service.state.kind, "waiting");
});

test("presence is asked for, again after a reconnect, and when others are of interest", async () => {
  const { service, heard } = await watching(["bob"]);
  assert.deepEqual(latest().sent.at(-1), { type: "watch", logins: ["bob"] });
  latest().says({ type: "presence", online: ["bob"], offline: [] });
  assert.deepEqual(heard, ["presence: bob | "]);
  service.watch(["Bob", "a\uffff", "a\ud800", "a\u{1ffff}"]);
  await Promise.resolve();
  assert.equal(latest().sent.length, 2, "those are the same: a message with another of them in it would be malformed");
  service.watch(Array.from({ length: 300 }, (_, i) => `peer ${i}`));
  await Promise.resolve();
  assert.equal(latest().sent.at(-1)?.logins?.length, 256);
  // A message of more than 64 KiB would end the connection, over and over.
  service.watch(Array.from({ length: 256 }, (_, i) => "\u{1f600}".repeat(60) + String(i).padStart(4, "0")));
  await Promise.resolve();
  const { logins } = latest().sent.at(-1)!;
  const bytes = new TextEncoder().encode(JSON.stringify(logins)).length;
  assert.ok(logins!.length > 100 && bytes < 40_000, `${logins!.length} logins of ${bytes} bytes`);
  latest().ends(1006);
  mock.timers.tick(1_000);
  latest().open();
  latest().says(accepted);
  await Promise.resolve();
  assert.deepEqual(latest().sent.map(({ type }) => type), ["login", "ping", "watch"]);
});

test("a service without presence is asked once for each connection, and nobody hears of it", async () => {
  const { service, heard } = await watching(["bob"]);
  latest().says(pong);
  latest().says(unknownType);
  latest().says({ type: "presence", online: ["bob"], offline: [] });
  assert.deepEqual(heard, []);
  service.watch(["bob", "carol"]);
  await Promise.resolve();
  assert.deepEqual(latest().sent.map(({ type }) => type), ["login", "watch"]);
  latest().says(unknownType);
  assert.deepEqual(heard, ["unknown-type"], "an error that is about something else is passed on");
});

test("servers with credentials are renewed before these end", async () => {
  const relay = { urls: ["turn:one.example"], username: "a", credential: "b" };
  const { service } = connected();
  const joined = service.join("alice");
  latest().says({ ...accepted, iceServers: [relay] });
  await joined;
  assert.equal(service.iceServers.relayed, true);
  const renewals = () => latest().sent.filter(({ type }) => type === "ice-servers").length;
  const answered = (minutes: number) => {
    for (let i = 0; i < minutes * 6; i++) {
      mock.timers.tick(10_000);
      latest().says(pong);
    }
  };
  answered(49);
  assert.equal(renewals(), 0);
  answered(1);
  assert.equal(renewals(), 1);
  latest().says({ type: "ice-servers", iceServers: [{ ...relay, credential: "c" }] });
  assert.deepEqual(service.iceServers.all, [{ ...relay, credential: "c" }]);
  answered(50);
  assert.equal(renewals(), 2);
});

test("a service without presence is asked again before it has said so, and nobody hears of its answers", async () => {
  const { service, heard } = connected();
  const joined = service.join("alice");
  latest().says(accepted);
  latest().says(pong);
  await joined;
  service.watch(["bob"]);
  await Promise.resolve();
  service.watch([]);
  await Promise.resolve();
  const watches = () => latest().sent.filter(({ type }) => type === "watch").length;
  assert.equal(watches(), 2);
  const unknown = { type: "error", code: "unknown-type", message: "The type is unknown." };
  latest().says(unknown);
  latest().says(unknown);
  assert.deepEqual(heard, []);
  service.watch(["carol"]);
  await Promise.resolve();
  assert.equal(watches(), 2, "it has said that it knows no presence");
  latest().says(unknown);
  assert.deepEqual(heard, ["unknown-type"], "an error that nobody has asked for is heard");
});

test("a Join that waits can be given up, and a late answer gives the page no login", async () => {
  const { service } = connected();
  const first = latest();
  const join = service.join("alice");
  service.cancelJoin();
  assert.deepEqual(await join, { joined: false, code: "cancelled", message: "" });
  first.says(accepted);
  assert.deepEqual([service.login, service.ready], [undefined, false]);
  assert.equal(first.readyState, 3, "the service gives the login to somebody else");
  // The page is ready for the next Join at once.
  assert.notEqual(latest(), first);
  latest().open();
  // The service may have begun to keep the session.
  assert.deepEqual(latest().sent, [first.sent[0]]);
  const again = service.join("bob");
  const { resume } = latest().sent[2]!;
  assert.deepEqual(latest().sent.slice(1), [{ type: "logout", login: "alice" }, { type: "login", login: "bob", keep: true, resume, received: 0 }]);
  latest().says(accepted);
  assert.equal(service.ready, false);
  latest().says(accepted);
  assert.deepEqual(await again, { joined: true });
});

test("a Join that waits for the service to come back can be given up", async () => {
  const { service } = connected();
  latest().ends(1006);
  const join = service.join("alice");
  service.cancelJoin();
  service.cancelJoin();
  assert.equal((await join).joined, false);
  latest().open();
  assert.deepEqual([service.state.kind, latest().sent], ["connected", []]);
});

const SECRETS = ["first", "second", "third"].map((name) => `${name}-secret-of-the-service`);

/** An answer to a login that was kept. */
const keeps = (secret: number, more: object = { resumed: false }) => ({ ...accepted, login: "alice", resume: SECRETS[secret], window: 30, ...more });
const candidate = (call: string) => ({ type: "ice-candidate", "ice-candidate": { candidate: "c" }, to: "bob", call }) as const;
const bye = { type: "bye", reason: "left", from: "bob", to: "alice", call: "1" };
const types = () => latest().sent.map(({ type }) => type);

/** Joins as alice, in a session that the service keeps. */
async function joinedAndKept() {
  const page = connected();
  const joined = page.service.join("alice");
  const [login] = latest().sent;
  assert.match(login!.resume!, /^[\w-]{22,128}$/u);
  assert.deepEqual(page.state.kept, { id: page.state.kept!.id, login: "alice", secret: login!.resume, received: 0 }, "it is stored before it is sent");
  latest().says(keeps(0));
  assert.deepEqual(await joined, { joined: true });
  assert.equal(page.state.kept?.secret, SECRETS[0]);
  assert.deepEqual(latest().sent.slice(1), [{ type: "ping", received: 0 }], "the secret is confirmed at once");
  return page;
}

/** The connection is lost, and the page has another one. */
function comesBack(code = 1006) {
  latest().ends(code);
  mock.timers.tick(1_000);
  latest().open();
}

test("a session goes on over a dropped connection: nothing is lost, nothing comes twice, and all is in order", async () => {
  const { service, heard, state } = await joinedAndKept();
  const first = latest();
  const sent = ["a", "b"].map((call) => service.send(candidate(call)));
  latest().says(bye);
  latest().says(bye);
  comesBack();
  const meanwhile = service.send(candidate("c"));
  first.says(bye);
  assert.deepEqual(latest().sent, [{ type: "login", login: "alice", keep: true, resume: SECRETS[0], received: 2 }], "nothing goes out before the reply");
  latest().says(keeps(1, { resumed: true, received: 1 }));
  assert.deepEqual(latest().texts.slice(1, 3), [sent[1], meanwhile]);
  assert.deepEqual(latest().sent.slice(3), [{ type: "ping", received: 2 }]);
  assert.equal(state.kept?.secret, SECRETS[1]);
  latest().says(bye);
  assert.deepEqual(heard, ["bye", "bye", "regained", "bye"]);
});

test("what comes again and was acted on is skipped, and nothing else", async () => {
  const { heard, state } = await joinedAndKept();
  state.pending = true;
  for (const call of ["1", "2", "3"]) latest().says({ ...bye, call });
  comesBack();
  assert.equal(latest().sent[0]!.received, 0, "the next page would miss them");
  latest().says(keeps(1, { resumed: true, received: 0 }));
  latest().says({ type: "presence", online: [], offline: [] });
  for (const call of ["1", "2", "3"]) latest().says({ ...bye, call });
  latest().says({ type: "error", code: "capacity", message: "" });
  assert.deepEqual(heard, ["bye", "bye", "bye", "regained", "capacity"]);
  state.pending = false;
  latest().says(bye);
  mock.timers.tick(1);
  assert.equal(state.kept?.received, 5);
});

test("a session that could not go on begins anew, and what was under way is not sent again blindly", async () => {
  const { service, heard, state } = await joinedAndKept();
  latest().says(bye);
  service.watch(["bob"]);
  await Promise.resolve();
  service.send(candidate("a"));
  comesBack(1012);
  latest().says(keeps(1));
  await Promise.resolve();
  assert.deepEqual(types(), ["login", "ping", "watch"]);
  assert.equal(latest().sent[1]!.received, 0);
  assert.equal(state.kept?.received, 0);
  assert.deepEqual(heard, ["bye", "regained anew"]);
});

test("presence is not asked for again in a session that goes on, unless others are of interest", async () => {
  const { service, heard } = await joinedAndKept();
  service.watch(["bob"]);
  await Promise.resolve();
  latest().says({ type: "pong", received: 1 });
  comesBack();
  latest().says(keeps(1, { resumed: true, received: 1 }));
  await Promise.resolve();
  assert.deepEqual(types(), ["login", "ping"]);
  latest().says({ type: "presence", online: ["bob"], offline: [] });
  assert.deepEqual(heard, ["regained", "presence: bob | "]);
  service.watch(["bob", "carol"]);
  await Promise.resolve();
  assert.equal(types().at(-1), "watch");
});

test("what is unconfirmed for 5 s, 64 messages or 32 KB is confirmed", async () => {
  const { service } = await joinedAndKept();
  const pinged = () => latest().sent.filter(({ type }) => type === "ping").map(({ received }) => received);
  const pongs = () => latest().says({ type: "pong", received: 1 });
  latest().says(bye);
  mock.timers.tick(4_999);
  assert.deepEqual(pinged(), [0]);
  mock.timers.tick(1);
  assert.deepEqual(pinged(), [0, 1]);
  service.send(candidate("a"));
  for (let i = 0; i < 10; i++) {
    mock.timers.tick(500);
    pongs(); // It answers, so that nobody has a doubt.
  }
  assert.deepEqual(pinged(), [0, 1, 1], "the service is asked what has arrived");
  for (let i = 0; i < 64; i++) latest().says(bye);
  assert.deepEqual(pinged(), [0, 1, 1, 65]);
  latest().says({ ...bye, more: "é".repeat(17_000) });
  assert.deepEqual(pinged(), [0, 1, 1, 65, 66]);
  for (let i = 0; i < 30; i++) {
    mock.timers.tick(500);
    pongs();
  }
  assert.equal(pinged().length, 5, "then there is nothing to confirm");
});

test("what the next page would miss is confirmed when it is settled, and kept within bounds", async () => {
  const { service, state } = await joinedAndKept();
  state.pending = true;
  latest().says(bye);
  service.settle();
  mock.timers.tick(1);
  assert.equal(state.kept?.received, 0);
  state.pending = false;
  service.settle();
  mock.timers.tick(1);
  assert.equal(state.kept?.received, 1);
  mock.timers.tick(5_000);
  assert.deepEqual(latest().sent.at(-1), { type: "ping", received: 1 });
  state.pending = true;
  for (let i = 0; i < 64; i++) latest().says(bye);
  assert.deepEqual([state.kept?.received, latest().sent.at(-1)], [65, { type: "ping", received: 65 }]);
});

test("what has come is stored once in a turn of the event loop, and before it is confirmed", async () => {
  const { service, state } = await joinedAndKept();
  const before = state.stored;
  for (let i = 0; i < 63; i++) latest().says(bye);
  assert.equal(state.stored, before);
  mock.timers.tick(1);
  assert.deepEqual([state.stored, state.kept?.received], [before + 1, 63]);
  latest().says({ type: "presence", online: [], offline: [] });
  mock.timers.tick(1);
  assert.equal(state.stored, before + 1, "nothing is new");
  const send = mock.method(latest(), "send", () => assert.equal(state.kept?.received, 64));
  latest().says(bye);
  assert.deepEqual([send.mock.callCount(), state.stored], [1, before + 2]);
  latest().says(bye);
  service.keep();
  assert.equal(state.kept?.received, 65, "the page is unloaded");
});

test("a message on which the page fails counts all the same", async () => {
  const { state } = await joinedAndKept();
  state.fails = true;
  assert.throws(() => latest().says(bye), /fails/u);
  state.fails = false;
  latest().says(bye);
  mock.timers.tick(1);
  assert.equal(state.kept?.received, 2);
});

test("a service that keeps nothing gets nothing more than before", async () => {
  const { service, state, heard } = connected();
  const joined = service.join("alice");
  latest().says(accepted);
  await joined;
  assert.deepEqual([state.kept, service.window, latest().sent.at(-1)], [undefined, 0, { type: "ping" }]);
  latest().says(bye);
  latest().ends(1006);
  assert.equal(service.send(candidate("a")), undefined);
  mock.timers.tick(1_000);
  latest().open();
  latest().says(accepted);
  mock.timers.tick(5_000);
  assert.deepEqual(latest().sent.slice(1), [{ type: "ping" }]);
  assert.deepEqual(heard, ["bye", "regained anew"]);
});

test("a page that was loaded again goes on with the session of the one before", async () => {
  const kept = { id: "tab", login: "alice", secret: SECRETS[1]!, received: 7 };
  for (const open of [true, false]) {
    const { service, heard, state } = connected();
    if (!open) latest().ends(1006);
    service.resume(kept);
    if (!open) latest().open();
    assert.equal(service.state.kind, "connecting");
    assert.deepEqual(latest().sent, [{ type: "login", login: "alice", keep: true, resume: SECRETS[1], received: 7 }]);
    const queued = service.send(candidate("a"));
    latest().says(keeps(2, { resumed: true, received: 40 }));
    assert.deepEqual(latest().texts[1], queued);
    latest().says({ type: "pong", received: 41 });
    latest().says(bye);
    mock.timers.tick(1);
    assert.deepEqual([heard, state.kept], [["regained", "bye"], { ...kept, secret: SECRETS[2], received: 8 }]);
    comesBack();
    latest().says(keeps(0, { resumed: true, received: 41 }));
    assert.deepEqual(types(), ["login", "ping"], "what was confirmed is let go");
  }
});

test("a lost reply costs nothing: the same secret is brought again", async () => {
  const { service, state } = connected();
  void service.join("alice");
  const [login] = latest().sent;
  comesBack();
  assert.deepEqual(latest().sent, [login]);
  latest().says(keeps(0, { resumed: true, received: 0 }));
  assert.deepEqual([service.ready, state.kept?.secret], [true, SECRETS[0]]);
});

const tokenEnded = "The service's clock has passed the token's end.";
const authFailed = { type: "login", success: false, code: "auth-failed", message: tokenEnded };

/** Joins as alice with a token, in a session that the service keeps. */
async function joinedWithToken() {
  const page = connected();
  page.service.takeToken("token-1");
  const joined = page.service.join("alice");
  const [login] = latest().sent;
  assert.deepEqual(login, { type: "login", login: "alice", token: "token-1", keep: true, resume: login!.resume, received: 0 });
  latest().says(keeps(0));
  await joined;
  return page;
}

test("each login brings the token, and is said no to in words where it does not hold", async () => {
  const { service, state } = connected();
  for (const [code, token] of [["auth-required", undefined], ["auth-failed", "stale"], ["auth-failed", "of-another"]] as const) {
    if (token !== undefined) service.takeToken(token);
    const joined = service.join("alice");
    assert.equal(latest().sent.at(-1)!.token, token);
    latest().says({ ...authFailed, code });
    assert.deepEqual(await joined, { joined: false, code, message: tokenEnded });
  }
  assert.deepEqual([FakeSocket.all.length, service.state.kind, state.token], [1, "connected", "of-another"]);
});

test("a fresh token renews the session, and holds from the answer on", async () => {
  const { service, state, heard } = await joinedWithToken();
  service.takeToken("token-2");
  assert.deepEqual([latest().sent.at(-1), state.token], [{ type: "token", token: "token-2" }, "token-1"]);
  service.takeToken("bad");
  latest().says({ type: "token", success: true, expires: 1_893_456_000 });
  assert.equal(state.token, "token-2");
  latest().says({ type: "token", success: false, code: "auth-failed", message: tokenEnded });
  assert.deepEqual([state.token, heard], ["token-2", ["token: auth-failed"]]);
  latest().says({ type: "token", success: true });
  assert.equal(state.token, "token-2", "nothing was asked");
  comesBack();
  assert.equal(latest().sent[0]!.token, "token-2");
});

test("a token whose answer is lost with the connection is brought by the next login", async () => {
  const { service, state } = await joinedWithToken();
  service.takeToken("token-2");
  comesBack(4002);
  assert.deepEqual([latest().sent[0]!.token, state.token], ["token-2", "token-2"]);
  latest().says(keeps(1, { resumed: true, received: 0 }));
  assert.deepEqual(types(), ["login", "token", "ping"], "it counts, so that it is sent again");
  latest().says({ type: "token", success: true });
  assert.equal(service.ready, true);
});

test("after the token has ended the page comes back when it has a fresh one, and only then", async () => {
  for (const ended of [
    () => latest().ends(4002),
    () => {
      comesBack(); // The token has ended meanwhile.
      latest().says(authFailed);
    },
  ]) {
    const { service, state, heard } = await joinedWithToken();
    const sent = service.send(candidate("a"));
    ended();
    const sockets = FakeSocket.all.length;
    mock.timers.tick(3_600_000);
    assert.deepEqual([service.state.kind, FakeSocket.all.length, service.login], ["stopped", sockets, "alice"]);
    assert.notEqual(state.kept, undefined, "the session may go on");
    service.connect();
    latest().open();
    latest().says(authFailed);
    assert.equal(service.state.kind, "stopped", "the person has tried it again");
    service.takeToken("token-2");
    latest().open();
    assert.deepEqual(latest().sent.map((frame) => [frame.type, frame.token, frame.resume]), [["login", "token-2", SECRETS[0]]]);
    latest().says(keeps(1, { resumed: true, received: 0 }));
    assert.deepEqual([latest().texts[1], heard, service.ready], [sent, ["regained"], true]);
    latest().ends(1000);
  }
});

test("a token that comes while the one before is being refused is tried at once", async () => {
  const { service } = await joinedWithToken();
  comesBack();
  service.takeToken("token-2");
  latest().says(authFailed);
  mock.timers.tick(1_000);
  latest().open();
  assert.equal(latest().sent[0]!.token, "token-2");
});

test("a service that wants no tokens is asked once, and nobody hears of it", async () => {
  for (const code of ["unknown-type", ""]) {
    const { service, heard, state } = await joinedWithToken();
    latest().says({ type: "pong", received: 0 });
    service.watch(["bob"]);
    service.takeToken("token-2");
    await Promise.resolve();
    latest().says({ type: "error", code, message: "no such type" });
    latest().says({ type: "presence", online: ["bob"], offline: [] });
    assert.deepEqual([heard, state.token], [["presence: bob | "], "token-1"]);
    latest().says({ type: "error", code, message: "no such type" });
    assert.equal(heard.length, 2, "another error is one");
    service.leave();
    latest().ends(1000);
  }
});

test("whoever signs out has no token any more, and a session that is being given up still brings it", async () => {
  const { service, state } = await joinedWithToken();
  latest().ends(1006);
  service.leave();
  service.setToken(undefined);
  mock.timers.tick(1_000);
  latest().open();
  assert.deepEqual([latest().sent[0]!.token, state.token], ["token-1", undefined]);
  latest().says(keeps(1, { resumed: true, received: 0 }));
  void service.join("alice");
  assert.equal("token" in latest().sent.at(-1)!, false);
});

test("the answer to a fresh token that comes after Sign out does not bring the token back", async () => {
  for (const success of [true, false, undefined]) {
    const { service, state, heard } = await joinedWithToken();
    service.takeToken("token-2");
    service.leave();
    service.setToken(undefined);
    if (success === undefined) latest().ends(1006);
    else latest().says({ type: "token", success, code: "auth-failed" });
    assert.deepEqual([state.token, heard], [undefined, []]);
  }
});

test("a dead connection makes the page resume at once", async () => {
  const { service } = await joinedAndKept();
  service.hurry();
  mock.timers.tick(3_000);
  assert.deepEqual([FakeSocket.all.length, service.state.kind], [2, "connecting"]);
});

test("whoever signs out without a connection resumes and logs out, and what was said meanwhile goes out", async () => {
  const { service, state } = await joinedAndKept();
  latest().ends(1006);
  const last = service.send(candidate("a"));
  service.leave();
  assert.equal(state.kept, undefined);
  mock.timers.tick(1_000);
  latest().open();
  assert.deepEqual(types(), ["login"]);
  latest().says(keeps(1, { resumed: true, received: 0 }));
  assert.deepEqual([latest().texts[1], types().slice(2), service.ready], [last, ["logout"], false]);
  latest().ends(1006);
  mock.timers.tick(1_000);
  latest().open();
  assert.deepEqual(types(), []);
});

test("whoever signs out while the session is being resumed logs out when that is answered, or has no login any more", async () => {
  for (const reply of [keeps(1, { resumed: true, received: 0 }), taken]) {
    const { service, heard } = await joinedAndKept();
    comesBack();
    service.leave();
    assert.deepEqual(types(), ["login"]);
    latest().says(reply);
    assert.deepEqual(types(), reply === taken ? ["login"] : ["login", "logout"]);
    assert.deepEqual(heard, []);
  }
});

test("whoever joins under another login meanwhile does not wait for that", async () => {
  for (const reply of [keeps(1, { resumed: true, received: 0 }), taken]) {
    const { service, heard } = await joinedAndKept();
    comesBack();
    service.leave();
    const joined = service.join("carol");
    assert.deepEqual(types(), ["login", "logout", "login"]);
    latest().says(reply);
    if (reply === taken) latest().says(notLoggedIn);
    assert.equal(service.ready, false);
    latest().says(keeps(2));
    assert.deepEqual(await joined, { joined: true });
    assert.deepEqual(heard, []);
  }
});

test("a session that the page could not give up in its window is left alone", async () => {
  const { service } = await joinedAndKept();
  latest().ends(1006);
  service.leave();
  const clock = performance.now();
  mock.method(performance, "now", () => clock + 31_000);
  mock.timers.tick(1_000);
  latest().open();
  assert.deepEqual(types(), []);
  mock.restoreAll();
});

test("after a takeover the page comes back only if an attempt of its own may have come late, and then once", async () => {
  const alone = await joinedAndKept();
  latest().ends(4100);
  assert.deepEqual([alone.service.state.kind, alone.state.kept], ["stopped", undefined], "a reload does not fight for it either");

  const { service, state } = await joinedAndKept();
  comesBack();
  comesBack(); // The attempt before was not answered.
  latest().says(keeps(1, { resumed: true, received: 0 }));
  const sockets = FakeSocket.all.length;
  comesBack(4100);
  assert.deepEqual([FakeSocket.all.length, latest().sent[0]!.resume], [sockets + 1, SECRETS[1]]);
  latest().says(keeps(2, { resumed: true, received: 0 }));
  latest().ends(4100);
  assert.deepEqual([service.state.kind, state.kept], ["stopped", undefined]);
});

test("an attempt of more than a minute ago does not come late", async () => {
  const { service } = await joinedAndKept();
  comesBack();
  comesBack();
  latest().says(keeps(1, { resumed: true, received: 0 }));
  const clock = performance.now();
  mock.method(performance, "now", () => clock + 61_000);
  latest().ends(4100);
  assert.equal(service.state.kind, "stopped");
  mock.restoreAll();
});

test("a session that was refused too often still waits for a reload, and one that has ended does not", async () => {
  for (const [code, waits] of [[1008, true], [1009, false], [4101, false]] as const) {
    const { state } = await joinedAndKept();
    latest().ends(code);
    assert.equal(state.kept !== undefined, waits, `${code}`);
  }
});
