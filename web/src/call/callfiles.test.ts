import assert from "node:assert/strict";
import { test } from "node:test";
import { type FileMessage, FrameError } from "../files/frames.js";
import type { FileLink } from "../files/link.js";
import type { Transfers } from "../files/transfers.js";
import { CallFiles } from "./callfiles.js";
import type { FramedChannel } from "./framed.js";

/** The files of a call, and what reaches the channels and the transfers. */
function files(receive: (message: FileMessage) => void = () => {}) {
  const told: string[] = [];
  let signOfLife: (() => void) | undefined;
  const bulk = { addEventListener: (_type: string, heard: () => void) => void (signOfLife = heard), close: () => void told.push("close") };
  const channel = { peerInstance: "bob's page", signOfLife: () => void told.push("alive"), sendFile: () => void told.push("sent") };
  const links: FileLink[] = [];
  const transfers = {
    attach: (link: FileLink) => void links.push(link),
    detach: (link: FileLink) => void told.push(`detach ${links.indexOf(link)}`),
    receive: (message: FileMessage) => {
      told.push("message");
      receive(message);
    },
  };
  const callFiles = new CallFiles(bulk as unknown as RTCDataChannel);
  const carry = () =>
    callFiles.carry(transfers as unknown as Transfers, channel as unknown as FramedChannel, "bob", () => void told.push("garbled"));
  return { callFiles, told, links, carry, bulkMessage: () => signOfLife?.() };
}

const message = {} as FileMessage;

test("messages about files wait until the call carries files, up to a bound", () => {
  const { callFiles, told, links, carry, bulkMessage } = files();
  for (let i = 0; i < 100; i++) callFiles.receive(message);
  callFiles.detach();
  assert.deepEqual(told, []);
  carry();
  assert.deepEqual(told.splice(0), Array(64).fill("message"));
  assert.equal(links[0]?.instance, "bob bob's page");
  carry();
  assert.equal(links.length, 1);
  callFiles.receive(message);
  bulkMessage();
  links[0]!.control(message);
  callFiles.detach();
  callFiles.close();
  assert.deepEqual(told, ["message", "alive", "sent", "detach 0", "close"]);
});

test("a message that waited and makes no sense ends the call", () => {
  const { callFiles, told, carry } = files(() => {
    throw new FrameError("no sense");
  });
  callFiles.receive(message);
  carry();
  assert.deepEqual(told, ["message", "garbled"]);
});
