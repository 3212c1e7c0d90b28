// Requests to the API. The browser adds the cookie; the header Sx-Browser, which pages of
// other sites cannot send, marks the requests as this page's.

/** The header of every request. */
export const marked = { "Sx-Browser": "1" };

/** An error with a code, a message and a hint, as the API sends them. */
export class Failure extends Error {
  constructor(code, message, hint, { status = 0, retryAfter = 0, requestID = "" } = {}) {
    super(message);
    Object.assign(this, { code, hint, status, retryAfter, requestID });
  }
}

/** The error of a request that got no response. */
export function unreachable() {
  return new Failure("unreachable", "the server does not respond", "check the network connection, then try again");
}

/** Returns the error that a response reports. A proxy's response has no body in the API's format. */
export function failureOf(status, text, header) {
  const more = { status, retryAfter: Number(header("Retry-After")) || 0, requestID: header("X-Request-Id") ?? "" };
  try {
    const { error } = JSON.parse(text);
    if (error?.code) return new Failure(error.code, error.message, error.hint, more);
  } catch {
    // not JSON
  }
  return foreign(status, more);
}

/** The error of a response that is not the API's, such as the page of a network's sign-in. */
export function foreign(status, more = { status }) {
  return new Failure("foreign_response", `the response (status ${status}) is not from SoundExtract`,
    "check whether a proxy or firewall is in between", more);
}

const signedOut = new EventTarget();

/** Calls listener when a response says that this browser is no longer signed in. */
export function onSignedOut(listener) {
  signedOut.addEventListener("signedout", listener);
}

/** Reports a failure to the listeners of onSignedOut if it means that the browser is signed out. */
export function noticeSignOut(failure) {
  if (failure.code === "unauthenticated") signedOut.dispatchEvent(new Event("signedout"));
}

const timeout = 60_000; // milliseconds; no request of call takes nearly as long

/** Sends a request and returns the decoded body; null if there is none. */
export async function call(method, path, body, { signal } = {}) {
  const limit = AbortSignal.timeout(timeout);
  const headers = { ...marked };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  let text;
  try {
    response = await fetch(path, {
      method, headers, signal: signal ? AbortSignal.any([signal, limit]) : limit,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    text = await response.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
  if (!response.ok) {
    const failure = failureOf(response.status, text, (name) => response.headers.get(name));
    noticeSignOut(failure);
    throw failure;
  }
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    throw foreign(response.status);
  }
}

/** Returns a path with a query. Values of arrays are repeated, empty ones left out. */
export function withQuery(path, query) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of [value].flat()) {
      if (each !== "" && each !== undefined && each !== null) params.append(name, each);
    }
  }
  const text = params.toString();
  return text ? `${path}?${text}` : path;
}

/** Returns the path of a job, or of something below it. */
export function jobPath(id, ...rest) {
  return ["/v1/jobs", encodeURIComponent(id), ...rest].join("/");
}
