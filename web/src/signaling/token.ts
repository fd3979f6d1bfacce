import { type Phrase, phrase } from "../words.js";
import { parseFields } from "./fields.js";
import { MAX_LOGIN_LENGTH } from "./logins.js";

/** Longest token that is taken, in UTF-16 units. The service refuses a login of more than 16 KiB (messages/PROTOCOL.md, "Framing"). */
const MAX_LENGTH = 8 * 1024;
/** A part of a fragment that has a token. Some programs encode the "=". */
const PART = /^token(?:=|%3d)/iu;

/** Says what is wrong with a token when the service refuses a login; undefined: nothing. */
export function tokenFault(code: string): Phrase | undefined {
  return code === "auth-required" ? phrase("authRequired") : code === "auth-failed" ? phrase("authFailed") : undefined;
}

/** The login that a JWT is for, by its claim "sub" (RFC 7519); undefined: it does not say, or is of another kind. */
export function loginOf(token: string): string | undefined {
  try {
    const bytes = atob((token.split(".")[1] ?? "").replace(/-/gu, "+").replace(/_/gu, "/"));
    const { sub } = parseFields(new TextDecoder().decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)))) ?? {};
    return typeof sub === "string" && sub.length <= MAX_LOGIN_LENGTH ? sub : undefined;
  } catch {
    return undefined;
  }
}

/** Reads a token as it is in an address. Returns "" if it can be none. */
function readToken(encoded: string): string {
  try {
    const token = decodeURIComponent(encoded);
    return /^[!-~]+$/u.test(token) && token.length <= MAX_LENGTH ? token : "";
  } catch {
    return ""; // It is not UTF-8.
  }
}

/**
 * Takes the token out of the address of a page, "#token=…". Other parts of the fragment stay; they are separated by "&".
 * @returns undefined: the address has none. `token` is "" if what is there is none
 */
export function takeTokenFrom(address: string): { token: string; rest: string } | undefined {
  const url = new URL(address);
  const parts = url.hash.slice(1).split("&");
  const found = parts.find((part) => PART.test(part));
  if (found === undefined) return undefined;
  url.hash = parts.filter((part) => !PART.test(part)).join("&");
  return { token: readToken(found.replace(PART, "")), rest: url.href };
}
