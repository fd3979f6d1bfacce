/** What the device keeps of conversations, as records of its database (schema.ts). Nothing is taken for granted when they are read. */

import { overStates } from "../files/transfer.js";
import { isFields } from "../signaling/fields.js";
import type { Phrase } from "../words.js";
import { type Entry, type KeptConversation, deliveries } from "./conversation.js";
import { type KeptCorrespondence, MAX_INSTANCE } from "./correspondence.js";

/** The place of an entry among all of the device. */
export function placeOf(record: unknown): number | undefined {
  const seq = isFields(record) ? record["seq"] : undefined;
  return typeof seq === "number" ? seq : undefined;
}

/** Returns an entry as the device keeps it. */
export function writeEntry(entry: Entry): object {
  if (entry.kind !== "file") return { ...entry };
  const { name, size, type, state, key } = entry.file;
  return { ...entry, file: { name, size, type, state, key } };
}

/** Reads an entry. Returns undefined for anything else, such as an entry of a later version. */
export function readEntry(value: unknown): Entry | undefined {
  if (!isFields(value) || typeof value["id"] !== "string" || !(value["time"] instanceof Date)) return undefined;
  if (Number.isNaN(value["time"].getTime())) return undefined; // It could not be shown.
  const { id, time, author, text } = value;
  const whole = { id, time };
  switch (value["kind"]) {
    case "own": {
      const delivery = deliveries.find((one) => one === value["delivery"]);
      if (typeof author !== "string" || typeof text !== "string" || delivery === undefined) return undefined;
      return { ...whole, kind: "own", author, text, delivery, letter: Number(value["letter"]) || 0 };
    }
    case "received":
      if (typeof author !== "string" || typeof text !== "string") return undefined;
      return { ...whole, kind: "received", author, text };
    case "note": {
      const said = value["phrase"];
      if (!isFields(said) || typeof said["key"] !== "string" || !Array.isArray(said["args"])) return undefined;
      return { ...whole, kind: "note", phrase: { key: said["key"], args: said["args"].map(String) } as Phrase };
    }
    case "file": {
      const file = value["file"];
      if (!isFields(file) || typeof author !== "string" || typeof file["name"] !== "string") return undefined;
      const over = overStates.find((state) => state === file["state"]);
      const description = { name: file["name"], size: Number(file["size"]) || 0, type: String(file["type"]), state: over ?? "failed" } as const;
      const key = typeof file["key"] === "string" ? { key: file["key"] } : {};
      return { ...whole, kind: "file", author, own: value["own"] === true, file: { ...description, ...key } };
    }
    default:
      return undefined;
  }
}

/** Reads a conversation. Returns undefined for anything else, such as a conversation of a later version. */
export function readConversation(value: unknown): KeptConversation | undefined {
  if (!isFields(value) || typeof value["peer"] !== "string") return undefined;
  const correspondence = readCorrespondence(value["correspondence"]);
  if (correspondence === undefined) return undefined;
  return {
    peer: value["peer"],
    draft: typeof value["draft"] === "string" ? value["draft"] : "",
    drafted: count(value["drafted"]),
    unread: count(value["unread"]),
    correspondence,
  };
}

function count(value: unknown): number {
  return Math.max(0, Math.trunc(Number(value) || 0));
}

function readCorrespondence(value: unknown): KeptCorrespondence | undefined {
  if (!isFields(value) || typeof value["instance"] !== "string" || !Array.isArray(value["waiting"])) return undefined;
  const received = readReceived(value["received"]);
  const waiting = [];
  for (const letter of value["waiting"]) {
    if (!isFields(letter) || typeof letter["id"] !== "number" || typeof letter["text"] !== "string") return undefined;
    const was = Array.isArray(letter["was"]) ? letter["was"].map(readReceived).filter((one) => one !== undefined) : [];
    waiting.push({ id: letter["id"], text: letter["text"], was });
  }
  return { instance: value["instance"], waiting, received };
}

function readReceived(value: unknown): { instance: string; id: number } | undefined {
  if (!isFields(value) || typeof value["instance"] !== "string" || typeof value["id"] !== "number") return undefined;
  if (value["instance"].length > MAX_INSTANCE) return undefined; // Earlier versions accepted longer ones.
  return { instance: value["instance"], id: value["id"] };
}
