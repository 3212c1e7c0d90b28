// One upload: created, sent in parts, and resumed after every interruption.
import { count } from "../format.js";
import { openContent, unreadable } from "./content.js";
import { openJoined } from "./joined.js";
import { newKey } from "./key.js";
import { append, create, stored, terminate } from "./tus.js";

const firstPart = 64 << 10; // small, so that the server's refusal arrives as a response
const minPart = 256 << 10;
const maxPart = 64 << 20;
const quick = 5000; // ms; a part that takes less is followed by a larger one
const firstPause = 1000; // ms, doubled after each failure without progress
const maxPause = 30000;
const maxRestarts = 3; // of an upload that the server no longer has

/** An upload of a file, or of several that are joined. Its state is waiting, sending, missing (the files), failed or done. */
export class Upload {
  constructor(record, { onChange }) {
    this.record = record; // what is kept over a reload
    this.onChange = onChange;
    this.state = "missing";
    this.sent = record.stored ?? 0; // bytes
    this.failure = null;
    this.interrupted = false; // no connection at present
    this.files = null;
    this.controller = new AbortController();
  }

  /** Returns those of some files that the upload needs, in their order; null unless all of them are there. */
  find(files) {
    const found = (this.record.joined ?? [this.record]).map(({ size, modified, fileName }) =>
      files.find((file) => file.name === fileName && file.size === size && file.lastModified === modified));
    return found.includes(undefined) ? null : found;
  }

  /** What the upload is called. */
  get title() {
    const { name, joined } = this.record;
    return joined ? `${name} and ${count(joined.length - 1, "more file")}` : name;
  }

  /** Reports whether the server refuses the file itself. */
  get refused() {
    return [400, 413, 415, 422].includes(this.failure?.status);
  }

  /** The size of what is sent in bytes; that of the file until it was read. */
  get size() {
    return this.record.sending?.size ?? this.record.size;
  }

  /** Gives the upload its files. */
  attach(files) {
    this.files = files;
    this.set({ state: "waiting", failure: null });
  }

  /** Puts a failed upload back into the queue. */
  requeue() {
    this.set({ state: this.files ? "waiting" : "missing", failure: null });
  }

  /** Sends the file, in state sending. It returns when the upload is done or has failed. save stores the record. */
  async run(save) {
    let content;
    try {
      content = await this.#open();
      await this.#choose(content);
      await this.#send(content, save);
      this.set({ state: "done" });
    } catch (failure) {
      if (failure.name !== "AbortError") this.set({ state: "failed", failure });
    } finally {
      content?.close();
    }
  }

  /** Stops the upload and removes what the server has of it. */
  async cancel() {
    this.controller.abort();
    if (this.record.url && this.state !== "done") await terminate(this.record.url).catch(() => {});
  }

  // Opens the file. If what takes the audio out of it cannot be loaded during an outage, it waits:
  // the whole file may be a hundred times as large.
  async #open() {
    const { files, record, controller: { signal } } = this;
    const track = record.metadata.track ?? "";
    const open = record.joined
      ? openJoined(record.joined.map(({ name }, i) => ({ name, file: files[i] })), track, signal)
      : () => openContent(files[0], track, signal);
    for (let pause = firstPause; ; pause = Math.min(2 * pause, maxPause)) {
      try {
        const content = await open();
        this.set({ interrupted: false });
        return content;
      } catch (failure) {
        if (failure.name === "AbortError" || !transient(failure)) throw failure;
        this.set({ interrupted: true });
        await wait(pause, signal);
      }
    }
  }

  // Says what is sent. What an earlier visit sent must be the same, or the upload starts again.
  async #choose({ form, size, first, whole }) {
    const { record } = this;
    const { sending } = record;
    const same = sending ? sending.form === form && sending.size === size && sending.first === first : form === "file1";
    if (record.url && !same) {
      await terminate(record.url).catch(() => {}); // otherwise it expires
      Object.assign(record, { url: "", stored: 0 });
    }
    record.sending = { form, size, first, whole };
    this.set({ sent: record.stored });
  }

  async #send(content, save) {
    const { record, files, controller: { signal } } = this;
    let pause = firstPause;
    let part = firstPart;
    let restarts = 0;
    let offset = null; // unknown
    let creation = ""; // the key of a creation whose response may be lost
    for (;;) {
      try {
        if (!record.url) {
          creation ||= newKey();
          record.url = await create(creation, content.size, { ...record.metadata, ...described(content, record) }, signal);
          creation = "";
          offset = 0;
        }
        offset ??= await stored(record.url, signal);
        const from = offset;
        if (from > (record.stored ?? 0)) pause = firstPause; // every byte counts
        this.set({ sent: from, interrupted: false });
        record.stored = from;
        await save();
        if (from >= content.size) return;
        const began = performance.now();
        const bytes = await content.read(from, part);
        offset = await append(record.url, from, bytes, signal,
          (loaded) => this.set({ sent: from + loaded }));
        pause = firstPause;
        part = nextPart(part, performance.now() - began);
      } catch (failure) {
        if (failure.name === "AbortError") throw failure;
        if ((failure.status === 404 || failure.status === 410) && record.url && restarts < maxRestarts) {
          record.url = "";
          restarts += 1;
          continue;
        }
        if (!transient(failure)) throw failure;
        await checkReadable(files);
        offset = null;
        part = Math.max(minPart, part / 2);
        this.set({ interrupted: true });
        await wait(Math.max(pause, 1000 * failure.retryAfter), signal);
        pause = Math.min(2 * pause, maxPause);
      }
    }
  }

  /** Changes properties and reports it. */
  set(properties) {
    Object.assign(this, properties);
    this.onChange(this);
  }
}

// What the server is told about the files, as by sx.
function described({ form, whole, sources }, { size }) {
  if (sources) return { sources: JSON.stringify(sources), ...whole ? {} : { audio_only: "true" } };
  return whole ? { identity: form } : { audio_only: "true", source_size: size, identity: form };
}

function nextPart(part, took) {
  return took < quick ? Math.min(maxPart, Math.max(minPart, 2 * part)) : Math.max(minPart, part / 2);
}

/** Reports whether the same request may succeed later. A status below 400 is that of a foreign response. */
function transient({ status, permanent }) {
  if (permanent) return false;
  return status < 400 || [408, 409, 423, 425, 429].includes(status) || status >= 500 && status !== 507;
}

// A file that was changed or removed fails like a broken connection.
async function checkReadable(files) {
  try {
    for (const file of files) await file.slice(0, 1).arrayBuffer();
  } catch {
    throw unreadable();
  }
}

// Waits, but not longer than until the network is back.
function wait(ms, signal) {
  return new Promise((resolve, reject) => {
    const done = () => {
      clearTimeout(timer);
      window.removeEventListener("online", done);
      signal.removeEventListener("abort", done);
      if (signal.aborted) reject(new DOMException("stopped", "AbortError"));
      else resolve();
    };
    const timer = setTimeout(done, ms);
    window.addEventListener("online", done);
    signal.addEventListener("abort", done);
  });
}
