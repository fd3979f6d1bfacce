import { isFields, parseFields } from "../signaling/fields.js";
import type { LiveConversation } from "./liveconversation.js";

export interface OpenConversation {
  /** The other login. */
  readonly peer: string;
  /** The id of the call. */
  readonly call: string;
  /** The fingerprint of the call's other end, if it was open and keeps its certificate: a client without framing may not. */
  readonly certificate?: string | undefined;
}

/** Which conversations the next page in this tab goes on with. */
export interface OpenConversations {
  /** The other login of the one in front. */
  readonly front?: string | undefined;
  readonly open: readonly OpenConversation[];
}

export const NOTHING_OPEN: OpenConversations = { open: [] };

/** The conversations that are open or being restored, and those in which the person calls. Callers call again by themselves. */
export function openConversations(conversations: readonly LiveConversation[], front: LiveConversation | undefined): OpenConversations {
  const open = conversations.flatMap(({ peer, call, loss }) => {
    const id = loss?.call ?? (call?.wasOpen === true || call?.outgoing === true ? call.id : undefined);
    const end = loss ?? (call?.wasOpen === true ? { peer: call.fingerprints?.peer, bare: call.bare } : undefined);
    return id === undefined ? [] : { peer, call: id, certificate: end?.bare === true ? undefined : end?.peer };
  });
  return { front: front?.peer, open };
}

/** Reads what `JSON.stringify` has made of open conversations. */
export function readOpen(text: string | undefined): OpenConversations {
  const { front, open } = parseFields(text) ?? {};
  if (!Array.isArray(open)) return NOTHING_OPEN;
  const isOpen = (one: unknown): one is OpenConversation =>
    isFields(one) && typeof one.peer === "string" && typeof one.call === "string" && (one.certificate === undefined || typeof one.certificate === "string");
  return { front: typeof front === "string" ? front : undefined, open: (open as unknown[]).filter(isOpen) };
}
