// Changes of jobs as they happen. All tabs of the browser share one event stream: the tab
// that holds a lock opens it for what any tab shows, and passes the events on.
import { call, withQuery } from "./api.js";

const maxJobs = 100; // of one stream
const settle = 200; // ms to wait for further changes before the stream is replaced
const firstPause = 1000; // ms, doubled after each failure
const maxPause = 30000;

const channel = new BroadcastChannel("soundextract-jobs");
const tab = crypto.randomUUID?.() ?? String(Math.random());
const wantedBy = new Map(); // tab: job IDs
const listeners = new Set();

let leading = false;
let source = null;
let watched = "";
let pause = firstPause;
let timer = 0;

/** Calls listener with each changed job, or {id, gone: true}. Returns a function that stops it. */
export function onJob(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Says which jobs this tab shows that can still change. */
export function watch(ids) {
  const mine = ids.slice(0, maxJobs);
  wantedBy.set(tab, mine);
  channel.postMessage({ type: "want", tab, ids: mine });
  if (leading) schedule();
}

/** Starts to follow jobs. */
export function startEvents() {
  channel.addEventListener("message", ({ data }) => receive(data));
  window.addEventListener("pagehide", () => channel.postMessage({ type: "want", tab, ids: [] }));
  if (!navigator.locks) { // not in a secure context: each tab has a stream of its own
    lead();
    return;
  }
  navigator.locks.request("soundextract-events", () => {
    lead();
    return new Promise(() => {}); // until the tab is closed
  });
}

function lead() {
  leading = true;
  channel.postMessage({ type: "who" });
  schedule();
}

function receive(message) {
  switch (message.type) {
    case "who":
      channel.postMessage({ type: "want", tab, ids: wantedBy.get(tab) ?? [] });
      break;
    case "want":
      wantedBy.set(message.tab, message.ids);
      if (leading) schedule();
      break;
    case "job":
      deliver(message.job);
      break;
  }
}

function deliver(job) {
  for (const listener of [...listeners]) listener(job);
}

function schedule(delay = settle) {
  clearTimeout(timer);
  timer = setTimeout(connect, delay);
}

function connect() {
  const ids = [...new Set([...wantedBy.values()].flat())].slice(0, maxJobs).sort();
  const wanted = ids.join();
  if (source && wanted === watched) return;
  close();
  if (ids.length === 0) return;
  watched = wanted;
  const opened = new EventSource(withQuery("/v1/events", { id: ids }));
  source = opened;
  opened.addEventListener("open", () => { pause = firstPause; });
  opened.addEventListener("job", ({ data }) => pass(JSON.parse(data)));
  opened.addEventListener("gone", ({ data }) => pass({ ...JSON.parse(data), gone: true }));
  opened.addEventListener("end", () => finished(opened));
  opened.addEventListener("reconnect", () => retry(opened));
  opened.addEventListener("error", () => {
    if (opened.readyState === EventSource.CLOSED) retry(opened); // otherwise the browser does
  });
}

function pass(job) {
  channel.postMessage({ type: "job", job });
  deliver(job);
}

// All jobs are final. What is watched next opens another stream.
function finished(opened) {
  opened.close();
}

function close() {
  source?.close();
  source = null;
  watched = "";
}

async function retry(opened) {
  if (opened !== source) return;
  close();
  schedule(pause);
  pause = Math.min(2 * pause, maxPause);
  await call("GET", "/v1/auth/me").catch(() => {}); // says so if the sign-in has ended
}
