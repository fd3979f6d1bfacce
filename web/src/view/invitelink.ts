import { MAX_LOGIN_LENGTH } from "../signaling/logins.js";

const NAME = "connect";

/** Whether nobody on another device can open the address of a page. */
export function onlyHere(page: string): boolean {
  const { protocol, hostname } = new URL(page);
  return protocol === "file:" || hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]" || /^127(?:\.\d+){3}$/u.test(hostname);
}

/** The address of the page at `page` that has who opens it connected to `login`. */
export function inviteAddress(page: string, login: string): string {
  const address = new URL(page);
  address.hash = `${NAME}=${encodeURIComponent(login)}`;
  return address.href;
}

/** Whom the address of the page asks to connect to; undefined: nobody. */
export function invitedBy(page: string): string | undefined {
  const match = /^#connect=(.+)$/u.exec(new URL(page).hash);
  if (match === null) return undefined;
  try {
    const login = decodeURIComponent(match[1]!).trim();
    return login === "" || login.length > MAX_LOGIN_LENGTH ? undefined : login;
  } catch {
    return undefined; // No UTF-8.
  }
}
