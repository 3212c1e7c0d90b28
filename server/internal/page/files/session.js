// Who is signed in. The secret is in a cookie that scripts cannot read.
import { call } from "./api.js";

let user = null;

// All tabs of the browser have the same cookie: who is signed in is the same for all.
const channel = new BroadcastChannel("soundextract-session");

function set(account) {
  user = account;
  channel.postMessage(account?.name ?? "");
}

/** Calls listener when another tab finds another account signed in than this one, or none. */
export function onOtherAccount(listener) {
  channel.addEventListener("message", ({ data }) => {
    if (user && user.name !== data) listener();
  });
}

/** Returns the account that is signed in, or null. */
export function current() {
  return user;
}

/** Asks the server who is signed in, and returns the account or null. */
export async function load() {
  try {
    set(await call("GET", "/v1/auth/me"));
  } catch (failure) {
    if (failure.status !== 401) throw failure;
    set(null);
  }
  return user;
}

/** Signs in with name and password. */
export async function signIn(name, password) {
  await call("POST", "/v1/auth/login", { name, password });
  return load();
}

/** Creates an account and signs in. */
export async function register(name, password, invitation) {
  await call("POST", "/v1/auth/register", invitation ? { name, password, invitation } : { name, password });
  return load();
}

/** Sets a new password with a code from an administrator, and signs in. */
export async function recover(code, password) {
  await call("POST", "/v1/auth/recover", { code, new_password: password });
  return load();
}

/** Signs in with the code of sx open. */
export async function redeem(code) {
  await call("POST", "/v1/auth/browser", { code });
  return load();
}

/** Changes the password; all other sign-ins of the account end. */
export async function changePassword(old, password) {
  await call("POST", "/v1/auth/password", { old_password: old, new_password: password });
  return load();
}

/** Signs out this browser. */
export async function signOut() {
  await call("POST", "/v1/auth/logout", {});
  set(null);
}

/** Forgets who was signed in; the server has ended the session. */
export function forget() {
  user = null;
}
