import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { decodeFrame, encodeFrame } from "../call/framing.js";
import type { Delivery } from "../conversation/conversation.js";
import { databaseInMemory, fakeKeyRanges } from "../conversation/database.fixture.js";
import { History, type Keeper } from "../conversation/history.js";
import type { Store } from "../files/sinks.js";
import { Transfers } from "../files/transfers.js";
import { contactsInMemory } from "../identity/contacts.fixture.js";
import type { Identity, OwnIdentity } from "../identity/identity.js";
import { Settings } from "../settings.js";
import type { LiveConversation } from "./liveconversation.js";
import { Messenger } from "./messenger.js";

/** The fingerprint of the certificate `byte`. */
const fingerprint = (byte: string) => Array(32).fill(byte).join(":");
/** A description by somebody who has the certificate `byte`. */
const sdp = (byte: string) => `v=0\r\na=fingerprint:sha-256 ${fingerprint(byte)}\r\n`;

class FakeChannel extends EventTarget {
  readyState = "connecting";
  bufferedAmount = 0;
  readonly sent: Uint8Array[] = [];
  onopen: (() => void) | undefined;
  onmessage: ((event: { data: ArrayBuffer }) => void) | undefined;
  onclose: (() => void) | undefined;
  send(bytes: Uint8Array) {
    this.sent.push(bytes.slice());
  }
  close() {
    this.readyState = "closed";
    this.dispatchEvent(new Event("close"));
  }
  open() {
    this.readyState = "open";
    this.onopen?.();
  }
  hears(frame: Parameters<typeof encodeFrame>[0]) {
    this.onmessage?.({ data: encodeFrame(frame).buffer });
  }
  get texts(): string[] {
    const frames = this.sent.map(decodeFrame);
    return frames.flatMap((frame) => (frame.kind === "text" ? new TextDecoder().decode(frame.part) : []));
  }
}

class FakeConnection {
  static all: FakeConnection[] = [];
  localDescription: { sdp: string } | undefined;
  remoteDescription: { sdp: string } | undefined;
  readonly channels: FakeChannel[] = [];
  /** Each configuration that it was restarted with. */
  readonly restarts: RTCConfiguration[] = [];
  /** The kind of the candidate of this end that is in use. */
  way = "host";
  /** Whether this end has found a relay. */
  relayFound = false;
  constructor(private configuration: RTCConfiguration) {
    FakeConnection.all.push(this);
  }
  getConfiguration() {
    return this.configuration;
  }
  setConfiguration(configuration: RTCConfiguration) {
    this.configuration = configuration;
  }
  restartIce() {
    this.restarts.push(this.configuration);
  }
  createDataChannel() {
    const channel = new FakeChannel();
    this.channels.push(channel);
    return channel;
  }
  async setLocalDescription() {
    this.localDescription = { sdp: sdp("00") };
  }
  async setRemoteDescription(description: { sdp: string }) {
    this.remoteDescription = description;
  }
  async getStats() {
    const pair = { id: "pair", type: "candidate-pair", selected: true, localCandidateId: "own", remoteCandidateId: "peer" };
    const own = { id: "own", type: "local-candidate", candidateType: this.way };
    const peer = { id: "peer", type: "remote-candidate", candidateType: "host" };
    const relay = { id: "relay", type: "local-candidate", candidateType: "relay" };
    return new Map([pair, own, peer, ...(this.relayFound ? [relay] : [])].map((report) => [report.id, report]));
  }
  close() {}
}

type Sent = { type: string; login?: string; call?: string; to?: string; restores?: string; received?: number; resume?: string; token?: string };

/** A service that accepts every login, unless it refuses them, does not answer, or is not there. */
class FakeSocket {
  static answers = true;
  static opens = true;
  static readonly OPEN = 1;
  static refusing = false;
  static iceServers: RTCIceServer[] | undefined;
  /** What it adds to its answer where it keeps sessions. */
  static keeps: object = {};
  static latest: FakeSocket;
  readyState = FakeSocket.opens ? 1 : 0;
  readonly sent: Sent[] = [];
  onopen: (() => void) | undefined;
  onmessage: ((event: { data: string }) => void) | undefined;
  onclose: ((event: { code: number; reason: string }) => void) | undefined;
  constructor() {
    FakeSocket.latest = this;
    if (FakeSocket.opens) queueMicrotask(() => this.onopen?.());
  }
  send(text: string) {
    const frame = JSON.parse(text) as Sent;
    this.sent.push(frame);
    if (frame.type === "login" && FakeSocket.answers) queueMicrotask(() => this.says({ type: "login", ...(FakeSocket.refusing ? { success: false, code: "login-taken" } : { success: true, iceServers: FakeSocket.iceServers, ...FakeSocket.keeps }) }));
  }
  says(frame: object) {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  close() {}
  /** The service accepts the connection. */
  opened() {
    this.readyState = 1;
    this.onopen?.();
  }
}

const original = { RTCPeerConnection: globalThis.RTCPeerConnection, WebSocket: globalThis.WebSocket };
let messenger: Messenger;
/** All pages of a test. */
const pages: Messenger[] = [];
/** What has arrived that the person does not see. */
const arrived: LiveConversation[] = [];
/** When it is known whether another page holds the session. */
let claimed: Promise<void>;
/** When the device can be read, and the identity that it keeps. */
let device: Promise<void>;
let own: OwnIdentity | undefined;
/** What this browser remembers of sessions that were given up. */
const givenUp = new Set<string>();

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout"] });
  FakeConnection.all = [];
  arrived.length = 0;
  claimed = device = Promise.resolve();
  own = undefined;
  FakeSocket.answers = FakeSocket.opens = true;
  FakeSocket.refusing = false;
  FakeSocket.iceServers = undefined;
  FakeSocket.keeps = {};
  Object.assign(globalThis, { RTCPeerConnection: FakeConnection, WebSocket: FakeSocket });
});

afterEach(() => {
  for (const page of pages.splice(0)) page.signOut();
  mock.timers.reset();
  mock.restoreAll();
  Object.assign(globalThis, original);
});

async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A service that keeps sessions accepts the next login. @param resumed whether a session goes on */
function keeps(resumed: boolean) {
  FakeSocket.keeps = { resume: "a-secret-of-the-service", window: 30, resumed, ...(resumed ? { received: 0 } : {}) };
}

/** What the page has sent to the service, but for what belongs to its connection. */
const sentTypes = () => FakeSocket.latest.sent.map(({ type }) => type).filter((type) => type !== "ping" && type !== "watch");

/** A page in the tab that is loaded again. `kind` is "copy" if the tab is one of another that is still there. */
async function loadedAgain(tab: Map<string, string>, kind?: "copy") {
  const page = newPage(tab);
  page.claim.free = kind !== "copy";
  messenger.connectToService();
  await settled();
  await messenger.resume();
  await settled();
  return page;
}

/** Alice's page. Her contacts can be read when the test says so. */
async function alice(tab?: Map<string, string>, keeper?: Keeper) {
  const page = newPage(tab, keeper);
  messenger.connectToService();
  await settled();
  await messenger.join("alice");
  return page;
}

/** A page whose tab keeps this. `keeper` is its device if something is kept there. */
function newPage(tab = new Map<string, string>(), keeper?: Keeper) {
  const { contacts, reading } = contactsInMemory();
  const saved: string[] = [];
  const progress = new Map<number, Delivery>();
  const disk = { hangs: false };
  const claim = { free: true };
  const settings: Settings = new Settings(undefined, () => messenger?.settingsChanged());
  messenger = new Messenger({
    url: "ws://service/ws",
    settings,
    keeper: keeper ?? {
      keeping: false,
      load: async () => [],
      progress: () => (disk.hangs ? new Promise(() => {}) : Promise.resolve(progress)),
      save: (_me, { peer }) => void saved.push(peer),
      saveSoon() {},
      delete: async () => {},
    } as Partial<Keeper> as Keeper,
    files: { limit: async () => 0 } as Partial<Store> as Store,
    identity: { own: () => device.then(() => own), renew: async () => {} } as Partial<Identity> as Identity,
    contacts,
    tab: { read: (key) => tab.get(key), write: (key, text) => (text === undefined ? !tab.delete(key) : tab.set(key, text) !== undefined) },
    claim: { take: () => claimed.then(() => claim.free), release() {} },
    givenUp: { has: (id) => givenUp.has(id), add: (id) => givenUp.add(id) },
    changed() {},
    arrived: (conversation) => void arrived.push(conversation),
  });
  pages.push(messenger);
  return { reading, contacts, settings, saved, progress, disk, claim, tab };
}

/** Alice calls somebody. The answer comes from `from`, who has the certificate `byte`. */
async function calls(peer: string, from: string, byte: string): Promise<FakeChannel> {
  messenger.connect(peer);
  await settled();
  const offer = FakeSocket.latest.sent.filter(({ type }) => type === "offer").at(-1)!;
  FakeSocket.latest.says({ type: "answer", answer: { type: "answer", sdp: sdp(byte) }, from, to: "alice", call: offer.call });
  await settled();
  const channel = FakeConnection.all.at(-1)!.channels[0]!;
  channel.open();
  channel.hears({ kind: "hello", instance: `page of ${byte}`, received: undefined });
  return channel;
}

const said = () => messenger.front!.entries.map((entry) => (entry.kind === "note" ? entry.phrase.key : entry.kind === "file" ? "file" : entry.text));

/** Alice has verified carol, and has sent her a text that was not delivered. */
async function knowsCarol() {
  const page = await alice();
  const channel = await calls("carol", "carol", "01");
  await settled();
  await messenger.recognition?.verify(messenger.front!, true);
  messenger.send("for carol alone");
  assert.deepEqual(channel.texts, ["for carol alone"]);
  channel.onclose?.();
  await settled();
  return page;
}

test("whoever answers under another login is taken for who was called, and must prove to be that", async () => {
  await knowsCarol();
  const channel = await calls("carol", "xyz", "99");
  await settled();
  const { front } = messenger;
  const trust = front?.trust;
  assert.deepEqual([front?.peer, front?.phase, trust?.kind, trust?.kind === "changed" && trust.wasVerified], ["carol", "open", "changed", true]);
  messenger.send("and this");
  assert.deepEqual(channel.texts, []);
  assert.deepEqual(messenger.conversations.map(({ peer }) => peer), ["carol"]);
  messenger.hangUp(front!);
  assert.deepEqual([front?.call, front?.trust], [undefined, undefined]);
});

test("a text that another tab has delivered since does not go out on the next call, and the others do", async () => {
  const { progress } = await knowsCarol();
  messenger.front!.correspondence.post("and this");
  progress.set(1, "delivered");
  const channel = await calls("carol", "carol", "01");
  await settled();
  assert.deepEqual(channel.texts, ["and this"]);
  assert.deepEqual(messenger.front!.entries.flatMap((entry) => (entry.kind === "own" ? entry.delivery : [])), ["delivered"]);
});

test("a device that does not say what has arrived keeps a call waiting for seconds only", async () => {
  const { disk } = await knowsCarol();
  disk.hangs = true;
  const channel = await calls("carol", "carol", "01");
  await settled();
  assert.deepEqual(channel.texts, []);
  mock.timers.tick(5_000);
  await settled();
  assert.deepEqual(channel.texts, ["for carol alone"]);
});

test("what comes before it is known from whom is shown behind the warning, and changes nothing of somebody else's", async () => {
  const { reading, contacts } = await knowsCarol();
  contacts.forget(); // They are read from the device again.
  let read = () => {};
  reading.may = new Promise((resolve) => (read = resolve));
  const channel = await calls("carol", "carol", "99");
  channel.hears({ kind: "text", id: 1, last: true, part: new TextEncoder().encode("please send it elsewhere") });
  channel.hears({ kind: "read", id: 1 });
  channel.hears({ kind: "typing", typing: true });
  await settled();
  assert.equal(said().includes("please send it elsewhere"), false);
  assert.equal(messenger.front!.typing, false);
  read();
  await settled();
  assert.deepEqual(said().slice(-3), ["noteConnected", "noteIdentityChanged", "please send it elsewhere"]);
  assert.deepEqual(messenger.front!.entries.flatMap((entry) => (entry.kind === "own" ? entry.delivery : [])), ["sending"]);
  assert.deepEqual(channel.texts, []);
});

test("whoever says something and goes at once is warned of like anybody", async () => {
  const { reading, contacts } = await knowsCarol();
  contacts.forget();
  let read = () => {};
  reading.may = new Promise((resolve) => (read = resolve));
  const channel = await calls("carol", "carol", "99");
  channel.hears({ kind: "text", id: 1, last: true, part: new TextEncoder().encode("send it to this account") });
  channel.hears({ kind: "next", fingerprint: fingerprint("66") });
  channel.hears({ kind: "goodbye" });
  await settled();
  read();
  await settled();
  assert.deepEqual(said().slice(-4), ["noteConnected", "noteLeft", "noteIdentityChanged", "send it to this account"]);
  assert.deepEqual(await contacts.meet("alice", "carol", fingerprint("66"), true), { kind: "changed", wasVerified: true });
});

test("a stranger's answer says nothing of relays", async () => {
  const { settings } = await alice();
  settings.choose({ relayOnly: true });
  FakeSocket.latest.says({ type: "answer", answer: { type: "answer", sdp: sdp("99") }, from: "xyz", to: "alice", call: "unknown" });
  await settled();
  const alert = () => messenger.alert?.key;
  assert.equal(alert(), undefined);
  FakeSocket.latest.says({ type: "offer", offer: { type: "offer", sdp: sdp("99") }, from: "xyz", to: "alice", call: "theirs" });
  assert.equal(alert(), "noRelay");
});

const RELAYS = [{ urls: ["turn:relay"], username: "alice", credential: "secret" }];

const warned = () => messenger.alert?.key === "stillDirect";

test("an open call changes over to the relay when Relay only is turned on, and back when it is turned off", async () => {
  FakeSocket.iceServers = RELAYS;
  const { settings } = await alice();
  await calls("bob", "bob", "01");
  const { restarts } = FakeConnection.all.at(-1)!;
  settings.choose({ relayOnly: true });
  await settled();
  settings.choose({ darkMode: true });
  await settled();
  assert.deepEqual(restarts.map(({ iceTransportPolicy, iceServers }) => [iceTransportPolicy, iceServers]), [["relay", RELAYS]]);
  FakeConnection.all.at(-1)!.way = "relay";
  mock.timers.tick(20_000);
  await settled();
  assert.equal(warned(), false);
  settings.choose({ relayOnly: false });
  await settled();
  assert.deepEqual(restarts.map(({ iceTransportPolicy }) => iceTransportPolicy), ["relay", "all"]);
});

test("when a choice changes how large files may be, the other side is told", async () => {
  const { settings } = await alice();
  await calls("bob", "bob", "01");
  await settled();
  const { mock: told } = mock.method(Transfers.prototype, "roomChanged");
  settings.choose({ offTheRecord: true });
  assert.equal(told.callCount(), 1);
});

test("a call that is being set up while Relay only changes follows when it opens", async () => {
  FakeSocket.iceServers = RELAYS;
  const { settings } = await alice();
  const opened = calls("bob", "bob", "01");
  settings.choose({ relayOnly: true });
  await opened;
  await settled();
  assert.deepEqual(FakeConnection.all.at(-1)!.restarts.map(({ iceTransportPolicy }) => iceTransportPolicy), ["relay"]);
});

test("calls that stay direct although Relay only is on are named", async () => {
  for (const [iceServers, wait, restarts] of [[undefined, 0, 0], [RELAYS, 20_000, 1]] as const) {
    FakeSocket.iceServers = iceServers as RTCIceServer[] | undefined;
    const { settings } = await alice();
    await calls("bob", "bob", "01");
    settings.choose({ relayOnly: true });
    await settled();
    mock.timers.tick(wait);
    await settled();
    assert.deepEqual(messenger.alert, { key: "stillDirect", args: ["bob"] });
    assert.equal(FakeConnection.all.at(-1)!.restarts.length, restarts, "a restart without a relay would lose the call");
    assert.equal(messenger.front?.phase, "open");
    messenger.alert = undefined;
    settings.choose({ relayOnly: false });
    mock.timers.tick(wait);
    await settled();
    assert.equal(warned(), false);
    messenger.signOut();
  }
});

test("a call that a restart leaves direct although a relay is found gives way to another, which restores it", async () => {
  FakeSocket.iceServers = RELAYS;
  const { settings } = await alice();
  await calls("bob", "bob", "01");
  const before = FakeConnection.all.at(-1)!;
  before.relayFound = true;
  settings.choose({ relayOnly: true });
  await settled();
  mock.timers.tick(5_000);
  await settled();
  assert.equal(messenger.front?.phase, "reconnecting");
  const bye = FakeSocket.latest.sent.at(-1) as { type: string; lost?: boolean };
  assert.deepEqual([bye.type, bye.lost], ["bye", true], "the other side restores the call too");
  assert.equal(before.channels[0]!.sent.map(decodeFrame).some(({ kind }) => kind === "goodbye"), false, "nobody has left");
  mock.timers.tick(1_000);
  await settled();
  const after = FakeConnection.all.at(-1)!;
  assert.notEqual(after, before);
  assert.equal(after.getConfiguration().iceTransportPolicy, "relay");
  assert.equal(warned(), false);
});

test("no warning follows when Relay only is turned off again, or the call has ended", async () => {
  FakeSocket.iceServers = RELAYS;
  const { settings } = await alice();
  await calls("bob", "bob", "01");
  settings.choose({ relayOnly: true });
  settings.choose({ relayOnly: false });
  mock.timers.tick(20_000);
  await settled();
  assert.equal(warned(), false);
  settings.choose({ relayOnly: true });
  messenger.hangUp(messenger.front!);
  mock.timers.tick(20_000);
  await settled();
  assert.equal(warned(), false);
});

test("whoever calls back after a loss is not asked about, and whoever calls after the end is", async () => {
  const { settings } = await knowsCarol();
  const { front } = messenger;
  settings.choose({ askFirst: true });
  const theirs = (call: string) => FakeSocket.latest.says({ type: "offer", offer: { type: "offer", sdp: sdp("01") }, from: "carol", to: "alice", call });
  assert.equal(front?.phase, "reconnecting");
  theirs("restored");
  assert.deepEqual([front?.call?.id, messenger.requests.length], ["restored", 0]);
  messenger.hangUp(front!);
  assert.equal(front?.phase, "off");
  theirs("new");
  assert.deepEqual([front?.phase, messenger.requests.length], ["asking", 1]);
});

/** Somebody calls alice as carol, with the certificate `byte`. */
function callsAsCarol(byte: string, call: string) {
  FakeSocket.latest.says({ type: "offer", offer: { type: "offer", sdp: sdp(byte) }, from: "carol", to: "alice", call });
}

test("while a lost call is restored, whoever has taken the login of the other is asked about, and nothing but the person accepts them", async () => {
  const { settings } = await knowsCarol();
  const { front } = messenger;
  settings.choose({ askFirst: true });
  callsAsCarol("66", "of somebody else");
  assert.deepEqual([front?.phase, front?.call, messenger.requests.length], ["reconnecting", undefined, 1]);
  mock.timers.tick(10_000); // Attempts to restore the call would be due.
  await settled();
  assert.deepEqual([front?.call, messenger.requests.length], [undefined, 1]);
  messenger.decline(messenger.requests[0]!);
  mock.timers.tick(1_000);
  await settled();
  assert.deepEqual([front?.phase, front?.call?.outgoing, sentTypes().at(-1)], ["reconnecting", true, "offer"], "the lost call is restored all the same");
  callsAsCarol("66", "of somebody else again");
  callsAsCarol("01", "restored");
  assert.deepEqual([front?.call?.id, messenger.requests.length], ["restored", 0]);
});

test("whoever has taken the login of the other is asked about, also while this page calls, and while the lost call still seems open", async () => {
  const { settings } = await alice();
  settings.choose({ askFirst: true });
  const channel = await calls("carol", "carol", "01");
  await settled();
  callsAsCarol("66", "first");
  mock.timers.tick(800);
  await settled();
  assert.deepEqual([messenger.front?.phase, messenger.requests.map(({ id }) => id)], ["open", ["first"]], "the page of carol has not answered the probe");
  messenger.decline(messenger.requests[0]!);
  channel.onclose?.();
  await settled();
  mock.timers.tick(1_000);
  await settled();
  const attempt = messenger.front?.call;
  assert.equal(attempt?.phase, "calling");
  callsAsCarol("66", "second");
  assert.deepEqual([messenger.front?.call, messenger.requests.map(({ id }) => id)], [attempt, ["second"]]);
  callsAsCarol("01", "restored");
  assert.deepEqual([messenger.front?.call?.id, messenger.requests.length], ["restored", 0]);
});

/** Alice's page calls carol again. The answer comes from an end with the certificate `byte`. @param before what happens before that */
async function restoresWith(byte: string, before?: () => void) {
  mock.timers.tick(1_000);
  await settled();
  const offer = FakeSocket.latest.sent.at(-1)!;
  assert.equal(offer.type, "offer");
  before?.();
  FakeSocket.latest.says({ type: "answer", answer: { type: "answer", sdp: sdp(byte) }, from: "carol", to: "alice", call: offer.call });
  await settled();
}

for (const [who, byte, ends] of [["the other", "01", false], ["somebody else under the other's login", "66", true]] as const) {
  test(`${who} answers the call that restores a lost one: ${ends ? "who wants to be asked gives them no candidate" : "candidates go out"}`, async () => {
    const { settings } = await knowsCarol();
    settings.choose({ askFirst: true });
    const candidate = { candidate: "the address of alice", toJSON: () => ({ candidate: "the address of alice" }) };
    await restoresWith(byte, () => (FakeConnection.all.at(-1) as unknown as RTCPeerConnection).onicecandidate!({ candidate } as unknown as RTCPeerConnectionIceEvent));
    assert.equal(sentTypes().at(-1), ends ? "bye" : "ice-candidate");
    assert.equal(sentTypes().includes("ice-candidate"), !ends);
    assert.deepEqual([messenger.front?.phase, said().at(-1)], ends ? ["off", "noteIdentityEnded"] : ["reconnecting", "noteInterrupted"]);
  });
}

test("a client without framing may show another certificate when its call is restored, also to who wants to be asked", async () => {
  const { settings } = await knowsCarol();
  settings.choose({ askFirst: true });
  Object.assign(messenger.front!.loss!, { bare: true });
  await restoresWith("66");
  assert.equal(messenger.front?.call?.phase, "connecting");
});

test("who is called, and calls too, is not asked about until they have answered", async () => {
  const { settings } = await alice();
  settings.choose({ askFirst: true });
  messenger.connect("carol");
  await settled();
  callsAsCarol("01", "in the same instant");
  assert.deepEqual([messenger.front?.call?.id, messenger.requests.length], ["in the same instant", 0]);
  messenger.hangUp(messenger.front!);
  messenger.connect("carol");
  await settled();
  const offer = FakeSocket.latest.sent.at(-1)!;
  FakeSocket.latest.says({ type: "answer", answer: { type: "answer", sdp: sdp("01") }, from: "carol", to: "alice", call: offer.call });
  callsAsCarol("01", "later");
  assert.deepEqual([messenger.front?.call?.id, messenger.requests.map(({ id }) => id)], [offer.call, ["later"]]);
});

test("who does not want to be asked is connected to whoever answers, and warned", async () => {
  await knowsCarol();
  await restoresWith("66");
  assert.equal(messenger.front?.call?.phase, "connecting");
});

test("a conversation that is deleted while its call is restored leaves nothing to write", async () => {
  const { saved } = await knowsCarol();
  const { front } = messenger;
  assert.equal(front?.phase, "reconnecting");
  saved.length = 0;
  await messenger.delete(front!);
  assert.deepEqual([saved, front!.restoring, messenger.conversations], [[], false, []]);
});

test("a lost call is restored when the network is back, even if the connection to the service survived", async () => {
  await knowsCarol();
  const offers = () => FakeSocket.latest.sent.filter(({ type }) => type === "offer").length;
  const before = offers();
  messenger.networkLost();
  messenger.connect("carol");
  const channel = FakeConnection.all.at(-1)!.channels[0]!;
  channel.open();
  channel.onclose?.(); // An attempt to restore the call has come to nothing.
  mock.timers.tick(2_000);
  await settled();
  assert.deepEqual([messenger.front?.phase, offers()], ["reconnecting", before], "the connection to the service may be dead");
  FakeSocket.latest.says({ type: "pong" });
  mock.timers.tick(1_000);
  await settled();
  assert.equal(offers(), before + 1, "no other event is needed");
});

test("that the login is somebody else's now is said until it is read, and again to whoever wants to call", async () => {
  await alice();
  let clock = performance.now();
  mock.method(performance, "now", () => clock);
  const alert = () => messenger.alert?.key;
  FakeSocket.refusing = true;
  FakeSocket.latest.onclose?.({ code: 1006, reason: "" });
  mock.timers.tick(1_000);
  await settled();
  messenger.connect("bob");
  assert.equal(alert(), "unreachable", "the service may hold the login for the old connection");
  messenger.dismissAlert();
  clock += 10_000;
  mock.timers.tick(3_000);
  await settled();
  assert.equal(alert(), "lostLogin");
  messenger.connect("bob");
  assert.equal(alert(), "lostLogin");
  messenger.dismissAlert();
  assert.equal(alert(), undefined);
  mock.timers.tick(60_000);
  await settled();
  assert.equal(alert(), undefined, "it is asked for again, which is no news");
  messenger.connect("bob");
  assert.equal(alert(), "lostLogin");
  FakeSocket.refusing = false;
  mock.timers.tick(60_000);
  await settled();
  assert.deepEqual([alert(), messenger.serviceReady], [undefined, true]);
});

test("whoever hangs up while the call is restored says so, and whoever is told does not restore it any more", async () => {
  await knowsCarol();
  const { front } = messenger;
  const id = front!.loss!.call;
  messenger.hangUp(front!);
  const bye = FakeSocket.latest.sent.at(-1)!;
  assert.deepEqual([bye.type, bye.to, bye.call, front!.phase, said().at(-1)], ["bye", "carol", id, "off", "noteHungUp"]);
  messenger.signOut();

  await knowsCarol();
  FakeSocket.latest.says({ type: "offer", offer: { type: "offer", sdp: sdp("01") }, from: "carol", to: "alice", call: "restores" });
  await settled();
  assert.equal(messenger.front!.call?.id, "restores");
  messenger.hangUp(messenger.front!);
  assert.deepEqual([messenger.front!.phase, said().at(-1)], ["off", "noteHungUp"]);
  messenger.signOut();

  await knowsCarol();
  const theirs = (from: string) => FakeSocket.latest.says({ type: "bye", reason: "left", from, to: "alice", call: messenger.front!.loss?.call });
  theirs("dora");
  assert.equal(messenger.front!.phase, "reconnecting");
  theirs("carol");
  assert.deepEqual([messenger.front!.phase, said().at(-1)], ["off", "noteLeft"]);
});

test("an attempt of the other side that its person ends is no call that they cancelled", async () => {
  await knowsCarol();
  FakeSocket.latest.says({ type: "offer", offer: { type: "offer", sdp: sdp("01") }, from: "carol", to: "alice", call: "theirs", restores: messenger.front!.loss!.call });
  await settled();
  assert.equal(messenger.front!.call?.id, "theirs");
  FakeSocket.latest.says({ type: "bye", reason: "left", from: "carol", to: "alice", call: "theirs" });
  assert.deepEqual([messenger.front!.phase, said().at(-1)], ["off", "noteLeft"]);
});

test("an attempt that the other side refuses because its person has ended the call is the last one", async () => {
  await knowsCarol();
  mock.timers.tick(1_000);
  await settled();
  const { call } = messenger.front!;
  FakeSocket.latest.says({ type: "bye", reason: "left", from: "carol", to: "alice", call: call!.id });
  assert.deepEqual([messenger.front!.phase, said().at(-1)], ["off", "noteLeft"]);
});

test("a text in which nothing can be seen is not sent, and the person is told why", async () => {
  await alice();
  const channel = await calls("carol", "carol", "01");
  await settled();
  for (const text of [" ", "\n\n", "\u200b", "\u2800\u2800", "\u3164", "\u202e\u2060"]) {
    messenger.dismissAlert();
    assert.deepEqual([messenger.send(text), messenger.alert?.key], [false, "invisibleText"], JSON.stringify(text));
  }
  messenger.dismissAlert();
  assert.deepEqual([messenger.send(""), messenger.alert], [false, undefined]);
  messenger.send("\u200b.");
  assert.deepEqual(channel.texts, ["\u200b."]);
});

/** Somebody whom alice does not know wants to connect. */
const carolAsks = () => FakeSocket.latest.says({ type: "offer", offer: { type: "offer", sdp: sdp("02") }, from: "carol", to: "alice", call: "of carol" });

test("a notification brings the conversation of now to the front, or none", async () => {
  const { settings } = await alice();
  settings.choose({ askFirst: true });
  carolAsks();
  const [told] = arrived;
  messenger.accept(messenger.requests[0]!);
  const { front } = messenger;
  assert.deepEqual([front?.peer, front?.phase, front === told], ["carol", "connecting", false]);
  messenger.show(undefined);
  messenger.show(told);
  assert.equal(messenger.front, front);
  const channel = FakeConnection.all.at(-1)!.channels[0]!;
  channel.open();
  channel.hears({ kind: "hello", instance: "page of carol", received: undefined });
  await settled();
  messenger.signOut();
  messenger.show(told);
  assert.equal(messenger.front, undefined);
  await messenger.join("bob");
  messenger.show(told);
  assert.equal(messenger.front, undefined);
});

test("that somebody was declined is kept", async () => {
  fakeKeyRanges();
  const { database } = databaseInMemory();
  const { settings } = await alice(undefined, new History(Promise.resolve(database), () => false, () => {}, () => {}));
  settings.choose({ askFirst: true });
  carolAsks();
  await settled();
  messenger.decline(messenger.requests[0]!);
  await settled();
  assert.deepEqual(messenger.conversations.map(({ entries }) => entries.map((entry) => entry.kind === "note" && entry.phrase.key)), [["noteDeclined"]]);
  assert.deepEqual([(await database.all("conversations")).length, (await database.all("entries")).length], [1, 1]);
});

test("while Join waits it can be cancelled, and the next Join is not mixed up with it", async () => {
  await alice();
  messenger.signOut();
  FakeSocket.answers = false;
  const first = messenger.join("alice");
  await settled();
  assert.equal(messenger.joining, true);
  messenger.cancelJoin();
  assert.deepEqual([messenger.joining, messenger.alert], [false, undefined]);
  await first;
  assert.deepEqual([messenger.login, messenger.alert], [undefined, undefined]);

  // Before the device has been read.
  const second = messenger.join("bob");
  messenger.cancelJoin();
  FakeSocket.answers = true;
  await messenger.join("carol");
  await second;
  assert.deepEqual([messenger.login, messenger.joining], ["carol", false]);
});

test("whoever cancels while a reload takes the session over gives it up, also if the tab may not keep it any more", async () => {
  keeps(false);
  const { tab } = newPage();
  await alice(tab);
  messenger.leavePage();
  let read: () => void;
  [device, read] = later();
  keeps(true);
  newPage(tab);
  messenger.connectToService();
  const resumed = messenger.resume();
  await settled();
  tab.delete("session");
  messenger.cancelJoin();
  read();
  await resumed;
  await settled();
  assert.deepEqual([messenger.joining, messenger.login, sentTypes()], [false, undefined, ["login", "logout"]]);
});

test("an offer is sent again when the other comes back to the service, and not because they are there", async () => {
  await alice();
  messenger.connect("bob");
  await settled();
  const offers = () => FakeSocket.latest.sent.filter(({ type }) => type === "offer").length;
  const presence = async (online: string[], offline: string[]) => {
    FakeSocket.latest.says({ type: "presence", online, offline });
    mock.timers.tick(1_000);
    await settled();
  };
  await presence(["bob"], []);
  assert.equal(offers(), 1);
  await presence([], ["bob"]);
  await presence(["bob"], []);
  assert.equal(offers(), 2);
});

test("after a reload the person is joined without typing, and open conversations are called again", async () => {
  keeps(false);
  const { tab } = await alice();
  const channel = await calls("bob", "bob", "01");
  await settled();
  const id = messenger.front!.call!.id;
  const before = FakeSocket.latest;
  messenger.leavePage();
  assert.deepEqual(decodeFrame(channel.sent.at(-1)!), { kind: "away" });
  assert.deepEqual(before.sent.filter(({ type }) => type === "bye" || type === "logout"), []);
  assert.deepEqual(said(), ["noteConnected"]);

  keeps(true);
  await loadedAgain(tab);
  assert.deepEqual([messenger.login, messenger.front?.peer, messenger.front?.phase], ["alice", "bob", "reconnecting"]);
  assert.deepEqual(sentTypes(), ["login"]);
  assert.equal(FakeSocket.latest.sent[0]!.resume, "a-secret-of-the-service");
  // What belongs to the call before comes late.
  FakeSocket.latest.says({ type: "answer", answer: { type: "answer", sdp: sdp("01") }, from: "bob", to: "alice", call: id });
  FakeSocket.latest.says({ type: "offer", offer: { type: "offer", sdp: sdp("01") }, from: "bob", to: "alice", call: id });
  assert.deepEqual(FakeSocket.latest.sent.at(-1), { type: "bye", reason: "left", lost: true, to: "bob", call: id, from: "alice" });
  mock.timers.tick(1_000);
  await settled();
  const offer = FakeSocket.latest.sent.at(-1)!;
  assert.deepEqual([offer.type, offer.to, offer.restores], ["offer", "bob", id]);
});

test("the other side of a reload takes the call that restores the one before, without a question", async () => {
  keeps(false);
  const { tab } = await alice();
  await calls("bob", "bob", "01");
  keeps(true);
  const { settings } = await loadedAgain(tab); // The page before has crashed: it has said nothing.
  settings.choose({ askFirst: true });
  FakeSocket.latest.says({ type: "offer", offer: { type: "offer", sdp: sdp("01") }, from: "bob", to: "alice", call: "theirs" });
  assert.deepEqual([messenger.front?.call?.id, messenger.requests.length], ["theirs", 0]);
});

test("after a reload, too, who has taken the login of the other is asked about", async () => {
  keeps(false);
  const { tab } = await alice();
  await calls("bob", "bob", "01");
  await settled();
  keeps(true);
  const { settings } = await loadedAgain(tab);
  settings.choose({ askFirst: true });
  FakeSocket.latest.says({ type: "offer", offer: { type: "offer", sdp: sdp("66") }, from: "bob", to: "alice", call: "of somebody else" });
  assert.deepEqual([messenger.front?.phase, messenger.front?.call, messenger.requests.length], ["reconnecting", undefined, 1]);
  FakeSocket.latest.says({ type: "offer", offer: { type: "offer", sdp: sdp("01") }, from: "bob", to: "alice", call: "theirs" });
  assert.deepEqual([messenger.front?.call?.id, messenger.requests.length], ["theirs", 0]);
});

test("a call that was being made when the page was loaded again is made again", async () => {
  keeps(false);
  const { tab } = await alice();
  messenger.connect("bob");
  await settled();
  messenger.leavePage();
  keeps(true);
  await loadedAgain(tab);
  mock.timers.tick(1_000);
  await settled();
  assert.deepEqual(sentTypes(), ["login", "offer"]);
});

test("a page that is loaded again before it has the session back leaves it to the next one", async () => {
  keeps(false);
  const { tab } = await alice();
  await calls("bob", "bob", "01");
  messenger.leavePage();
  const left = new Map(tab);
  FakeSocket.opens = false;
  await loadedAgain(tab);
  assert.deepEqual([messenger.login, messenger.serviceReady], ["alice", false]);
  messenger.leavePage();
  assert.deepEqual(tab, left);
  FakeSocket.opens = true;
  keeps(true);
  await loadedAgain(tab);
  assert.deepEqual([messenger.login, messenger.front?.peer, messenger.front?.phase], ["alice", "bob", "reconnecting"]);
  assert.equal(FakeSocket.latest.sent[0]!.resume, "a-secret-of-the-service");
});

test("where the session has ended meanwhile the person is joined, and nobody is called", async () => {
  keeps(false);
  const { tab } = await alice();
  await calls("bob", "bob", "01");
  messenger.leavePage();
  await loadedAgain(tab);
  mock.timers.tick(20_000);
  await settled();
  assert.deepEqual([messenger.login, messenger.front?.phase, sentTypes(), said()], ["alice", "off", ["login"], ["noteNotRestored"]]);
});

/** A promise, and what keeps it. */
function later(): [promise: Promise<void>, now: () => void] {
  let now = () => {};
  return [new Promise((resolve) => (now = resolve)), () => now()];
}

test("whoever cancels while the page takes the session over gives the login up, and keeps the token", async () => {
  keeps(false);
  const { tab } = newPage();
  messenger.takeToken("token");
  await alice(tab);
  for (const opens of [true, false]) {
    messenger.leavePage();
    const copy = new Map(tab);
    let read: () => void;
    [device, read] = later();
    FakeSocket.opens = opens;
    keeps(true);
    newPage(tab);
    const page = messenger;
    messenger.connectToService();
    const resumed = messenger.resume();
    await settled();
    assert.equal(messenger.joining, true);
    messenger.cancelJoin();
    messenger.cancelJoin();
    read();
    await resumed;
    assert.deepEqual([messenger.joining, messenger.login, [...tab.keys()]], [false, undefined, ["token"]]);
    FakeSocket.opens = true;
    if (!opens) FakeSocket.latest.opened();
    await settled();
    assert.deepEqual(sentTypes(), ["login", "logout"]);
    const [given] = FakeSocket.latest.sent;
    assert.deepEqual([given!.resume, given!.token], ["a-secret-of-the-service", "token"]);
    const socket = FakeSocket.latest;
    await loadedAgain(copy);
    assert.deepEqual([messenger.login, messenger.joining], [undefined, false], "a copy of the tab does not join either");
    messenger = page;
    FakeSocket.latest = socket;
    keeps(false);
    await messenger.join("alice");
    assert.deepEqual([messenger.login, lastToken()], ["alice", "token"]);
  }
});

test("whoever deletes everything while the page takes the session over is not joined, and gives the login up", async () => {
  keeps(false);
  const { tab } = await alice();
  messenger.leavePage();
  let read: () => void;
  [device, read] = later();
  newPage(tab);
  messenger.connectToService();
  const resumed = messenger.resume();
  await settled();
  await messenger.forget();
  read();
  await resumed;
  await settled();
  assert.deepEqual([messenger.login, messenger.joining, messenger.recognition, tab.size, sentTypes()], [undefined, false, undefined, 0, ["login", "logout"]]);
});

test("whoever deletes everything after that, before the service has answered, brings the session back once", async () => {
  keeps(false);
  const { tab } = await alice();
  messenger.leavePage();
  FakeSocket.answers = false;
  await loadedAgain(tab);
  await messenger.forget();
  assert.deepEqual(sentTypes(), ["login"]);
  FakeSocket.latest.says({ type: "login", success: true, ...FakeSocket.keeps, resumed: true, received: 0 });
  assert.deepEqual([messenger.login, tab.size, sentTypes()], [undefined, 0, ["login", "logout"]]);
});

test("whoever joins before it is known whether the tab is a copy gives the session before up, unless it is one", async () => {
  keeps(false);
  const { tab } = await alice();
  for (const free of [false, true]) {
    messenger.leavePage();
    newPage(free ? tab : new Map(tab)).claim.free = free;
    let answer: () => void;
    [claimed, answer] = later();
    messenger.connectToService();
    await settled();
    const resumed = messenger.resume();
    const joined = messenger.join("alice");
    await settled();
    assert.deepEqual(sentTypes(), []);
    answer();
    await Promise.all([resumed, joined]);
    assert.deepEqual([messenger.login, messenger.alert], ["alice", undefined]);
    assert.deepEqual(sentTypes(), free ? ["login", "logout", "login"] : ["login"]);
    const secrets = FakeSocket.latest.sent.flatMap(({ resume }) => resume ?? []);
    assert.deepEqual(secrets.map((secret) => secret === "a-secret-of-the-service"), free ? [true, false] : [false]);
  }
});

test("a page that stays open longer than its certificate lasts takes the next one", async () => {
  const certificate = (expires: number) => ({ certificate: { expires } as RTCCertificate, next: undefined, kept: true });
  own = certificate(1);
  await alice();
  own = certificate(2);
  messenger.woke();
  await settled();
  await calls("bob", "bob", "01");
  assert.deepEqual(FakeConnection.all.at(-1)!.getConfiguration().certificates, [own.certificate]);
  messenger.signOut();
  let read = 0;
  mock.method(device, "then", () => read++);
  messenger.woke();
  assert.equal(read, 0, "before Join nothing is read");
});

test("calls end once there is a new identity, so that none goes on with the one before", async () => {
  own = { certificate: {} as RTCCertificate, kept: true, next: undefined };
  await alice();
  await calls("bob", "bob", "01");
  let isMade = () => {};
  device = new Promise((resolve) => (isMade = resolve));
  const renewed = messenger.renewIdentity();
  await settled();
  const bob = messenger.front!;
  await calls("carol", "carol", "02");
  assert.deepEqual([bob.phase, messenger.front?.phase], ["open", "open"]);
  own = { certificate: {} as RTCCertificate, kept: true, next: undefined };
  isMade();
  await renewed;
  assert.deepEqual(messenger.conversations.map(({ call }) => call), [undefined, undefined]);
  messenger.connect("bob");
  await settled();
  assert.equal(FakeConnection.all.at(-1)!.getConfiguration().certificates?.[0], own.certificate);
});

test("a page that was signed out while it took the session over restores calls of the next login like any other page", async () => {
  keeps(false);
  const { tab } = await alice();
  messenger.leavePage();
  FakeSocket.answers = false;
  await loadedAgain(tab);
  messenger.signOut();
  FakeSocket.answers = true;
  FakeSocket.latest.says({ type: "login", success: true, ...FakeSocket.keeps });
  await settled();
  await messenger.join("alice");
  const channel = await calls("bob", "bob", "01");
  await settled();
  channel.onclose?.();
  FakeSocket.latest.onclose?.({ code: 1006, reason: "" });
  mock.timers.tick(1_000);
  await settled();
  assert.deepEqual([messenger.serviceReady, messenger.front?.phase, said()], [true, "reconnecting", ["noteConnected", "noteInterrupted"]]);
});

test("a tab that is a copy offers Join, and leaves the session to its original", async () => {
  keeps(false);
  const { tab } = await alice();
  await calls("bob", "bob", "01");
  const copy = new Map(tab);
  await loadedAgain(copy, "copy");
  assert.deepEqual([messenger.login, messenger.joining, messenger.alert?.key, sentTypes(), copy.size], [undefined, false, "stopTakenOver", [], 0]);
  await messenger.join("bob");
  assert.equal(messenger.login, "bob");
});

test("an old copy of a tab whose original has signed out does not join, whenever it is opened", async () => {
  keeps(false);
  const { tab } = await alice();
  await calls("bob", "bob", "01");
  const copy = new Map(tab);
  messenger.leavePage();
  const again = new Map(tab);
  assert.equal(await messenger.comeBack(), true);
  messenger.leavePage();
  const original = messenger;
  // The next page in the tab signs out.
  await loadedAgain(new Map(tab));
  messenger.signOut();
  for (const from of [copy, again]) {
    await loadedAgain(from);
    assert.deepEqual([messenger.login, messenger.joining, messenger.alert, sentTypes(), from.size], [undefined, false, undefined, [], 0]);
  }
  assert.equal(await original.comeBack(), false, "a page that the browser had put aside is loaded again");
  await messenger.join("alice");
  assert.equal(messenger.login, "alice");
});

const lastToken = () => FakeSocket.latest.sent.filter(({ type }) => type === "login").at(-1)!.token;

test("the tab keeps the token until Sign out, and each login brings it", async () => {
  keeps(false);
  const { tab, settings } = newPage();
  messenger.takeToken("token-1");
  messenger.leavePage();
  assert.deepEqual([...tab], [["token", "token-1"]], "a reload before Join keeps it");
  await loadedAgain(tab);
  await messenger.join("alice");
  assert.equal(lastToken(), "token-1");
  messenger.takeToken("token-2");
  assert.equal(tab.get("token"), "token-1", "it is not known yet whether that holds");
  FakeSocket.latest.says({ type: "token", success: true });
  assert.equal(tab.get("token"), "token-2");
  messenger.leavePage();
  keeps(true);
  await loadedAgain(tab);
  assert.deepEqual([messenger.login, lastToken()], ["alice", "token-2"]);
  tab.delete("token");
  settings.choose({ darkMode: true }); // As when the tab may keep something again.
  assert.equal(tab.get("token"), "token-2");
  messenger.signOut();
  assert.equal(tab.size, 0);
  await messenger.join("alice");
  assert.equal(lastToken(), undefined);
});

test("a copy of a tab that has signed out has lost the token too, unless it was opened with a fresh one", async () => {
  keeps(false);
  const { tab } = newPage();
  messenger.connectToService();
  messenger.takeToken("token-1");
  await messenger.join("alice");
  const copies = [new Map(tab), new Map(tab)];
  messenger.signOut();
  for (const [i, copy] of copies.entries()) {
    newPage(copy);
    messenger.connectToService();
    void messenger.resume();
    if (i === 1) messenger.takeToken("token-2");
    await messenger.join("alice");
    assert.equal(lastToken(), i === 1 ? "token-2" : undefined);
    messenger.signOut();
  }
});

test("what is wrong with a token is said, until there is another one", async () => {
  newPage();
  messenger.connectToService();
  await settled();
  FakeSocket.answers = false;
  for (const [code, key] of [["auth-required", "authRequired"], ["auth-failed", "authFailed"]] as const) {
    const joined = messenger.join("alice");
    await settled();
    FakeSocket.latest.says({ type: "login", success: false, code, message: "No." });
    await joined;
    assert.deepEqual([messenger.alert?.key, messenger.login], [key, undefined]);
    messenger.takeToken("");
    assert.equal(messenger.alert?.key, "tokenDamaged");
    messenger.takeToken("token");
    assert.equal(messenger.alert, undefined);
  }
  FakeSocket.answers = true;
  await messenger.join("alice");
  messenger.takeToken("of-bob");
  FakeSocket.latest.says({ type: "token", success: false, code: "auth-failed", message: "No." });
  assert.deepEqual([messenger.alert?.key, messenger.login, messenger.serviceReady], ["authFailed", "alice", true]);
  FakeSocket.latest.onclose?.({ code: 4002, reason: "" });
  assert.deepEqual([messenger.service, messenger.login], [{ kind: "stopped", reason: { key: "tokenEnded", args: [] } }, "alice"]);
});

test("Sign out leaves nothing in the tab, and neither does a service that keeps nothing", async () => {
  keeps(false);
  const { tab } = await alice();
  await calls("bob", "bob", "01");
  assert.deepEqual([...tab.keys()], ["session", "open"]);
  messenger.signOut();
  assert.equal(tab.size, 0);
  FakeSocket.keeps = {};
  await messenger.join("alice");
  await calls("bob", "bob", "01");
  assert.equal(tab.size, 0);
});

test("a page that cannot come back says goodbye", async () => {
  for (const kept of [true, false]) {
    if (kept) keeps(false);
    else FakeSocket.keeps = {};
    const { settings, tab } = await alice();
    const channel = await calls("bob", "bob", "01");
    settings.choose({ offTheRecord: true });
    tab.clear();
    Object.assign(tab, { set: () => undefined });
    settings.choose({ darkMode: true });
    messenger.leavePage();
    assert.deepEqual(decodeFrame(channel.sent.at(-1)!), { kind: "goodbye" });
    assert.deepEqual(sentTypes().slice(-2), kept ? ["bye", "logout"] : ["offer", "bye"]);
  }
});

test("a page that comes back as it was goes on, unless another one in its tab has gone on with its session", async () => {
  keeps(false);
  const { tab, claim } = await alice();
  await calls("bob", "bob", "01");
  messenger.leavePage();
  assert.equal(await messenger.comeBack(), true);
  assert.equal(messenger.front?.phase, "reconnecting");
  mock.timers.tick(1_000);
  await settled();
  assert.equal(sentTypes().at(-1), "offer");
  messenger.leavePage();
  tab.set("session", tab.get("session")!.replace("of-the-service", "of-the-next-one"));
  assert.equal(await messenger.comeBack(), false);
  tab.set("session", tab.get("session")!.replace("of-the-next-one", "of-the-service"));
  claim.free = false;
  assert.equal(await messenger.comeBack(), false);
});

test("a page that comes back as it was follows what was chosen meanwhile, once it knows that the session is still its own", async () => {
  keeps(false);
  const { tab, settings } = await alice();
  let read = 0;
  mock.method(settings, "reread", () => (read++, settings.choose({ askFirst: true })));
  messenger.leavePage();
  assert.equal(await messenger.comeBack(), true);
  assert.equal(read, 1);
  messenger.leavePage();
  tab.set("session", "of another page");
  assert.equal(await messenger.comeBack(), false);
  assert.deepEqual([read, tab.get("session")], [1, "of another page"]);
});

test("who closes or reloads the page is reconnecting, and has left when the session has ended", async () => {
  keeps(false);
  await alice();
  const channel = await calls("bob", "bob", "01");
  await settled();
  channel.hears({ kind: "away" });
  assert.deepEqual([messenger.front?.phase, said().at(-1)], ["reconnecting", "noteAway"]);
  mock.timers.tick(1_000);
  await settled();
  assert.equal(FakeSocket.latest.sent.at(-1)!.type, "offer");
  FakeSocket.latest.says({ type: "error", code: "peer-unavailable", message: "", to: "bob" });
  assert.deepEqual([messenger.front?.phase, said().at(-1), messenger.alert], ["off", "noteLeft", undefined]);
});

test("an offer that waits for the person would be missed after a reload, and is not confirmed until it is decided", async () => {
  keeps(false);
  const { settings, tab } = await alice();
  settings.choose({ askFirst: true });
  const received = () => {
    mock.timers.tick(1);
    return (JSON.parse(tab.get("session")!) as { received: number }).received;
  };
  FakeSocket.latest.says({ type: "offer", offer: { type: "offer", sdp: sdp("01") }, from: "bob", to: "alice", call: "theirs" });
  FakeSocket.latest.says({ type: "error", code: "capacity", message: "", to: "carol" });
  assert.equal(received(), 0);
  messenger.decline(messenger.requests[0]!);
  assert.equal(received(), 2);
  settings.choose({ askFirst: false });
  FakeSocket.latest.says({ type: "offer", offer: { type: "offer", sdp: sdp("01") }, from: "bob", to: "alice", call: "again" });
  await settled();
  messenger.leavePage();
  assert.equal(received(), 2, "a call that is being set up comes again");
  await messenger.comeBack();
  const channel = FakeConnection.all.at(-1)!.channels[0]!;
  channel.open();
  channel.hears({ kind: "hello", instance: "page of bob", received: undefined });
  await settled();
  assert.equal(received(), 3);
});

test("what was sent while the connection was lost goes out once when the session goes on", async () => {
  keeps(false);
  await alice();
  messenger.connect("bob");
  await settled();
  const { call } = FakeSocket.latest.sent.at(-1)!;
  FakeSocket.latest.onclose?.({ code: 1006, reason: "" });
  messenger.hangUp(messenger.front!);
  keeps(true);
  mock.timers.tick(1_000);
  await settled();
  assert.deepEqual(FakeSocket.latest.sent.flatMap((frame) => (frame.call === call ? frame.type : [])), ["offer", "bye"]);
});
