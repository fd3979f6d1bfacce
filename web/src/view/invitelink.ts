import { serviceAddress } from "../signaling/address.js";
import { takeTokenFrom } from "../signaling/token.js";
import { MAX_LOGIN_LENGTH } from "../signaling/logins.js";
import { type Phrase, phrase } from "../words.js";

/** The fragment of an invite link is this and the login, percent-encoded. */
const START = "#connect=";

/** What an invite link says: the login to connect to, or why that is not possible. */
export type Invitation = { login: string } | { fault: Phrase };

/** Whether the address of a page works on this device only. */
export function onlyHere(page: string): boolean {
  const { protocol, hostname } = new URL(page);
  return protocol === "file:" || hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]" || /^127(?:\.\d+){3}$/u.test(hostname);
}

/** The address of the page at `page`, with an invitation to connect to `login`. */
export function inviteAddress(page: string, login: string): string {
  const address = new URL(page);
  address.hash = START + encodeURIComponent(login);
  return address.href;
}

/** Reads the address of this page; undefined: it is no invite link. */
export function invitationAt(page: string): Invitation | undefined {
  const address = new URL(page);
  const { hash } = address;
  // What is left of a fragment that was cut off is one too. Some programs encode the "=" as well.
  const encoded = /^#connect(?:=|%3d)(.*)$/iu.exec(hash)?.[1];
  if (encoded === undefined) return hash !== "" && (START.startsWith(hash.toLowerCase()) || /^#connect\b/iu.test(hash)) ? damaged() : undefined;
  const service = address.searchParams.get("service");
  if (service !== null && hostOf(service) !== hostOf(serviceAddress(page))) return elsewhere(hostOf(service) ?? service);
  try {
    const login = decodeURIComponent(encoded).trim();
    return login === "" || login.length > MAX_LOGIN_LENGTH ? damaged() : { login };
  } catch {
    return damaged(); // It is not UTF-8.
  }
}

/** Reads an invite link that was typed or pasted in the page at `page` in place of a login; undefined: it is none. */
export function invitationIn(typed: string, page: string): Invitation | undefined {
  const link = typed.trim();
  if (!/^(?:https?|file):/iu.test(link) || hostOf(link) === undefined) return undefined;
  if (takeTokenFrom(link) !== undefined) return { fault: phrase("tokenTyped") };
  const found = invitationAt(link);
  if (found === undefined || "fault" in found) return found;
  const service = serviceAddress(link);
  return service === serviceAddress(page) ? found : elsewhere(hostOf(service) ?? service);
}

function damaged(): Invitation {
  return { fault: phrase("inviteDamaged") };
}

function elsewhere(host: string): Invitation {
  return { fault: phrase("inviteElsewhere", host) };
}

function hostOf(address: string): string | undefined {
  try {
    return new URL(address).host;
  } catch {
    return undefined;
  }
}
