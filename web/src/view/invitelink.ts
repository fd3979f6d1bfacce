import { MAX_LOGIN_LENGTH } from "../signaling/logins.js";

const NAME = "connect";

/** Whether the address of a page works on this device only. */
export function onlyHere(page: string): boolean {
  const { protocol, hostname } = new URL(page);
  return protocol === "file:" || hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]" || /^127(?:\.\d+){3}$/u.test(hostname);
}

/** The address of the page at `page`, with an invitation to connect to `login`. */
export function inviteAddress(page: string, login: string): string {
  const address = new URL(page);
  address.hash = `${NAME}=${encodeURIComponent(login)}`;
  return address.href;
}

/** The login that the page's address invites to connect to; undefined: none. */
export function invitedBy(page: string): string | undefined {
  const match = /^#connect=(.+)$/u.exec(new URL(page).hash);
  if (match === null) return undefined;
  try {
    const login = decodeURIComponent(match[1]!).trim();
    return login === "" || login.length > MAX_LOGIN_LENGTH ? undefined : login;
  } catch {
    return undefined; // It is not UTF-8.
  }
}
