// The uploads of this browser: which there are, how far they are, and which comes next.
import { announce } from "../messages.js";
import { ordered } from "./joined.js";
import { newKey } from "./key.js";
import { deleteRecord, putRecord, records } from "./records.js";
import { Upload } from "./upload.js";

const parallel = 3; // uploads that send at the same time

const uploads = []; // oldest first
const changes = new EventTarget();
let account = "";

/** Calls listener after each change of the uploads. Returns a function that stops it. */
export function onUploads(listener) {
  changes.addEventListener("change", listener);
  return () => changes.removeEventListener("change", listener);
}

/** Returns the uploads that are not done. */
export function list() {
  return uploads;
}

/** Reports whether this tab is sending, or about to. */
export function busy() {
  return uploads.some(({ state }) => state === "sending" || state === "waiting");
}

/** Takes over the uploads that earlier visits of the account left, except those of other tabs. */
export async function restore(name) {
  // Another person may have signed in after a session ended by itself.
  if (account && account !== name) stopAll();
  account = name;
  const elsewhere = await lockedKeys();
  for (const record of await records()) {
    const known = uploads.some((upload) => upload.record.key === record.key);
    if (record.account === account && !known && !elsewhere.has(record.key)) uploads.push(new Upload(record, { onChange: report }));
  }
  report();
}

/**
 * Adds files: {file, name}, where name is the job's; if they are joined, as one upload in the order
 * of their numbers. Files that an earlier visit left unfinished go on where they stopped. Returns
 * how many did.
 */
export function add(files, metadata, join = false) {
  const all = resume(files);
  const resumed = files.length - all.length;
  if (join && all.length > 1) {
    const list = ordered(all);
    start(list[0].name, list.map(({ file }) => file), { ...metadata, filename: list[0].name }, {
      joined: list.map(({ file, name }) => ({ name, ...described(file) })),
    });
  } else {
    for (const { file, name } of all) start(name, [file], { filename: name, ...metadata }, described(file));
  }
  report();
  startNext();
  return resumed;
}

// What identifies a file when it is chosen again.
function described(file) {
  return { size: file.size, modified: file.lastModified, fileName: file.name };
}

// Gives files to the uploads that miss them, and returns the others.
function resume(files) {
  let left = files;
  for (const upload of uploads.filter(({ state }) => state === "missing")) {
    const found = upload.find(left.map(({ file }) => file));
    if (!found) continue;
    upload.attach(found);
    left = left.filter(({ file }) => !found.includes(file));
  }
  return left;
}

function start(name, files, metadata, properties) {
  const size = files.reduce((sum, file) => sum + file.size, 0);
  const upload = new Upload({ key: newKey(), account, name, url: "", stored: 0, size, metadata, ...properties }, { onChange: report });
  upload.attach(files);
  uploads.push(upload);
}

/** Removes an upload from the list, and what the server has of it. */
export async function remove(upload) {
  drop(upload);
  await deleteRecord(upload.record.key);
  await upload.cancel();
  startNext();
}

/** Tries a failed upload again. */
export function again(upload) {
  upload.requeue();
  startNext();
}

/** Stops all uploads of this tab. Their records stay, for the next sign-in. */
export function stopAll() {
  for (const upload of uploads.splice(0)) upload.controller.abort();
  report();
}

function startNext() {
  let free = parallel - uploads.filter(({ state }) => state === "sending").length;
  for (const upload of uploads.filter(({ state }) => state === "waiting")) {
    if (free <= 0) return;
    free -= 1;
    upload.set({ state: "sending" }); // at once, so that no other call starts it too
    send(upload);
  }
}

async function send(upload) {
  await whileLocked(upload.record.key, () => upload.run(() => putRecord(upload.record)));
  if (upload.state === "done") {
    await deleteRecord(upload.record.key);
    drop(upload);
    announce(`${upload.title} is uploaded.`);
  }
  startNext();
}

function drop(upload) {
  const at = uploads.indexOf(upload);
  if (at >= 0) uploads.splice(at, 1);
  report();
}

function report() {
  changes.dispatchEvent(new Event("change"));
}

// A lock says to other tabs that this one sends an upload; the browser releases it when the
// tab is closed. Without locks (plain HTTP to another machine), tabs do not know each other.
const lockPrefix = "soundextract-upload-";

function whileLocked(key, fn) {
  return navigator.locks ? navigator.locks.request(lockPrefix + key, fn) : fn();
}

async function lockedKeys() {
  const held = (await navigator.locks?.query())?.held ?? [];
  return new Set(held.map(({ name }) => name).filter((name) => name.startsWith(lockPrefix)).map((name) => name.slice(lockPrefix.length)));
}
