import { MAX_LOGIN_LENGTH } from "../signaling/logins.js";

/** The key of the last login in this tab's session storage. */
const KEY = "login";

/** The login that was typed last in this tab; "": none. */
export function readLastLogin(): string {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return ""; // This browser stores nothing.
  }
}

/** Keeps the login for a reload of this tab; "": keeps none. */
export function keepLastLogin(login: string): void {
  try {
    if (login === "") sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, login.slice(0, MAX_LOGIN_LENGTH));
  } catch {
    // This browser stores nothing. The person types the login again.
  }
}
