// A story with the client, for the test: against the server in SX_SERVER, with the token in SX_TOKEN.
import assert from "node:assert/strict";
import { openAsBlob } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createClient, download, SoundExtractError, upload, wait } from "./index.js";

const env = (name: string): string => process.env[name] ?? assert.fail(`${name} is not set`);

const sx = createClient(env("SX_SERVER"), env("SX_TOKEN"));
const file = await openAsBlob("talk.wav");
const options = { filename: "Vortrag ÄÖ.wav", preset: "speech", mono: true, labels: "a,b" } as const;

const queued = await upload(sx, file, options, "the-talk");
assert.equal((await upload(sx, file, options, "the-talk")).id, queued.id);
await sx.POST("/v1/jobs/{id}/cancel", { params: { path: { id: queued.id } } });
await sx.POST("/v1/jobs/{id}/retry", { params: { path: { id: queued.id } } }); // converts, in the test
const job = await wait(sx, queued.id);
await writeFile("talk.mp3", Buffer.from(await download(sx, job)));

const { data: edited } = await sx.PATCH("/v1/jobs/{id}", { params: { path: { id: job.id } }, body: { add_labels: ["c"] } });
assert.deepEqual(edited?.labels, ["a", "b", "c"]);
const { data: list } = await sx.GET("/v1/jobs", { params: { query: { label: ["c"], state: ["done"] } } });
assert.deepEqual(list?.jobs.map((j) => j.id), [job.id]);

const refused = async (code: string, call: Promise<unknown>): Promise<void> => {
  const error = await call.then(() => assert.fail(`no error with the code ${code}`), (e: unknown) => e);
  assert.ok(error instanceof SoundExtractError, String(error));
  assert.equal(error.code, code);
  assert.notEqual(error.hint, "");
};
await refused("key_reused", upload(sx, file, { filename: "other.wav" }, "the-talk"));
await refused("not_media", upload(sx, new Blob([await readFile("notes.txt")]), { filename: "notes.txt" }));
await refused("not_found", sx.GET("/v1/jobs/{id}", { params: { path: { id: "none" } } }));
await refused("unauthenticated", createClient(env("SX_SERVER"), "none").GET("/v1/usage"));
console.log(job.id);
