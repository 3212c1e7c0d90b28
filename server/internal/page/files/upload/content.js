// What is sent of a file: its audio, or all of it.
import { Failure, unreachable } from "../api.js";

const maxPiece = 8 << 20; // bytes of audio that are held at once
const maxStarts = 3; // of a worker, which does not say whether the network or the browser is the reason

const unsupported = { whole: "this browser cannot run the readers" };

// The only script whose address the page may give to the browser.
const workerPath = "/page/upload/audioworker.js";
const policy = globalThis.trustedTypes?.createPolicy("audio-worker", { createScriptURL: () => workerPath });

/**
 * Resolves to what is sent of a file: form, size, first (the digest of its beginning), whole (why all
 * of it is sent; "" if only its audio is), read(at, length) and close(). Rejects with a failure
 * without a permanent reason if that cannot be determined at present.
 */
export async function openContent(file, track, signal) {
  signal.throwIfAborted();
  const audio = await openAudio(file, track, signal);
  if (audio.form) return { ...audio, whole: "" };
  return {
    form: "file1", size: file.size, whole: audio.whole, first: "",
    read: async (at, length) => file.slice(at, at + length), close() {},
  };
}

async function openAudio(file, track, signal) {
  for (let left = maxStarts; ; left -= 1) {
    let worker;
    try {
      worker = new Worker(policy ? policy.createScriptURL("") : workerPath, { type: "module" });
    } catch {
      return unsupported;
    }
    const close = () => worker.terminate();
    signal.addEventListener("abort", close);
    const opened = await ask(worker, { file, track }, signal).catch((failure) => {
      close();
      throw failure;
    });
    if (opened.form) return readable(opened, worker, close, signal);
    close();
    if (opened.unavailable !== undefined) throw Object.assign(unreachable(), { status: opened.unavailable });
    if (!opened.broken) return opened;
    if (!await loads(workerPath)) throw unreachable();
    if (left === 1) return unsupported;
  }
}

function readable(opened, worker, close, signal) {
  return {
    ...opened, close,
    read: async (at, length) => (await ask(worker, { at, length: Math.min(length, maxPiece, opened.size - at) }, signal)).bytes,
  };
}

// Sends a message to the worker, and resolves to its answer.
function ask(worker, message, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => reject(new DOMException("stopped", "AbortError"));
    signal.addEventListener("abort", stop, { once: true });
    worker.onmessage = ({ data }) => {
      signal.removeEventListener("abort", stop);
      if (data.unreadable) reject(unreadable());
      else resolve(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      signal.removeEventListener("abort", stop);
      if (message.file) resolve({ broken: true });
      else reject(unreadable());
    };
    worker.postMessage(message);
  });
}

// Reports whether the server sends a file of the page at present.
async function loads(path) {
  return fetch(path).then(({ ok }) => ok, () => false);
}

/** The error of a file that was changed or removed. */
export function unreadable() {
  const failure = new Failure("", "the file can no longer be read: it was changed, moved or removed", "choose it again");
  return Object.assign(failure, { permanent: true });
}
