// The unfinished uploads of this browser, in IndexedDB: where each is on the server, and which
// file it needs. Without IndexedDB, uploads do not survive a reload.

const name = "soundextract";
const store = "uploads";

/** Resolves to the records of all unfinished uploads. */
export async function records() {
  try {
    return await run("readonly", (uploads) => uploads.getAll());
  } catch {
    return [];
  }
}

/** Stores a record. */
export async function putRecord(record) {
  await run("readwrite", (uploads) => uploads.put(record)).catch(() => {});
}

/** Removes a record; it succeeds if there is none. */
export async function deleteRecord(key) {
  await run("readwrite", (uploads) => uploads.delete(key)).catch(() => {});
}

async function run(mode, request) {
  const database = await open();
  try {
    return await settled(request(database.transaction(store, mode).objectStore(store)));
  } finally {
    database.close();
  }
}

function open() {
  const request = indexedDB.open(name, 1);
  request.addEventListener("upgradeneeded", () => request.result.createObjectStore(store, { keyPath: "key" }));
  return settled(request);
}

function settled(request) {
  return new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", () => reject(request.error));
    request.addEventListener("blocked", () => reject(new Error("the database is in use")));
  });
}
