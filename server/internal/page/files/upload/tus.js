// The requests of the upload protocol tus 1.0.
import { Failure, failureOf, foreign, marked, noticeSignOut, unreachable } from "../api.js";

const version = { "Tus-Resumable": "1.0.0" };

/** Creates an upload and returns its path: the same one for the same key. */
export async function create(key, size, metadata, signal) {
  const response = await send("POST", "/v1/uploads/", {
    "Idempotency-Key": key,
    "Upload-Length": size,
    "Upload-Metadata": Object.entries(metadata).map(([key, value]) => `${key} ${base64(value)}`).join(","),
  }, null, { signal });
  return new URL(response.header("Location"), location.href).pathname;
}

/** Returns how many bytes of an upload are stored. */
export async function stored(path, signal) {
  const response = await send("HEAD", path, {}, null, { signal });
  return Number(response.header("Upload-Offset"));
}

/** Appends bytes and returns how many are stored then. onProgress gets how many were sent. */
export async function append(path, offset, bytes, signal, onProgress) {
  const response = await send("PATCH", path,
    { "Upload-Offset": offset, "Content-Type": "application/offset+octet-stream" }, bytes, { signal, onProgress });
  return Number(response.header("Upload-Offset"));
}

/** Removes an unfinished upload. */
export async function terminate(path) {
  await send("DELETE", path, {}, null, {});
}

function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

// Unlike fetch, XMLHttpRequest reports how much of the body was sent.
function send(method, path, headers, body, { signal, onProgress }) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted(); // an upload must not be created after it was stopped
    const request = new XMLHttpRequest();
    request.open(method, path);
    for (const [name, value] of Object.entries({ ...marked, ...version, ...headers })) request.setRequestHeader(name, value);
    const stop = () => request.abort();
    signal?.addEventListener("abort", stop);
    if (onProgress) request.upload.addEventListener("progress", ({ loaded }) => onProgress(loaded));
    request.addEventListener("loadend", () => {
      signal?.removeEventListener("abort", stop);
      const header = (name) => request.getResponseHeader(name);
      if (signal?.aborted) return reject(new DOMException("stopped", "AbortError"));
      if (request.status === 0) return reject(unreachable());
      if (request.status < 300) return header("Tus-Resumable") ? resolve({ header }) : reject(foreign(request.status));
      const failure = method === "HEAD" ? headFailure(request.status) : failureOf(request.status, request.responseText, header);
      noticeSignOut(failure);
      return reject(failure);
    });
    request.send(body);
  });
}

// A response to HEAD has no body.
function headFailure(status) {
  if (status === 401) return new Failure("unauthenticated", "this browser is no longer signed in", "sign in again", { status });
  return new Failure("", `the server responded with status ${status}`, "try again", { status });
}
