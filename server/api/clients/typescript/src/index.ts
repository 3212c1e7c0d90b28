// A client of SoundExtract's HTTP API. Its operations are those of the OpenAPI document, from
// which schema.ts is generated; openapi-fetch checks their parameters, bodies and responses.
import createFetchClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./schema.js";

export type { components, operations, paths } from "./schema.js";

export type Job = components["schemas"]["Job"];

/** What the server says is wrong. The meaning of a code never changes: see docs/errors.md. */
export class SoundExtractError extends Error {
  override readonly name = "SoundExtractError";
  constructor(
    readonly code: string,
    message: string,
    readonly hint: string,
    readonly status: number,
    readonly requestId: string,
  ) {
    super(message);
  }
}

/**
 * Returns a client of the server with the rights of a personal token. Each response with a
 * status of 400 or above is thrown as a SoundExtractError.
 */
export function createClient(server: string, token: string): Client<paths> {
  const client = createFetchClient<paths>({
    baseUrl: server,
    headers: { Authorization: `Bearer ${token}` },
    redirect: "error", // the token is for this server only
  });
  client.use({
    async onResponse({ response }) {
      if (!response.ok) {
        throw await errorOf(response);
      }
    },
  });
  return client;
}

async function errorOf(response: Response): Promise<SoundExtractError> {
  const requestId = response.headers.get("X-Request-Id") ?? "";
  const body = (await response.json().catch(() => null)) as Partial<components["schemas"]["ErrorBody"]> | null;
  const error = body?.error;
  return new SoundExtractError(
    error?.code ?? "foreign_response",
    error?.message ?? `the server answered ${response.status}`,
    error?.hint ?? "check the address of the server, and the proxy",
    response.status,
    requestId,
  );
}

/** Uploads a whole file in one request. With a key, it can be called again after a failure. */
export async function upload(
  client: Client<paths>,
  file: Blob,
  options: paths["/v1/jobs"]["post"]["parameters"]["query"],
  key: string = crypto.randomUUID(),
): Promise<Job> {
  const { data } = await client.POST("/v1/jobs", {
    params: { query: options, header: { "Idempotency-Key": `"${key}"` } },
    headers: { "Content-Type": "application/octet-stream" },
    body: file,
    bodySerializer: (body) => body,
  });
  return data!;
}

/** Waits until the job is done; a job that ends otherwise is thrown as a SoundExtractError. */
export async function wait(client: Client<paths>, id: string, signal?: AbortSignal): Promise<Job> {
  for (let pause = 250; ; pause = Math.min(pause * 1.5, 5000)) {
    signal?.throwIfAborted();
    const { data } = await client.GET("/v1/jobs/{id}", { params: { path: { id } }, ...(signal && { signal }) });
    const job = data!;
    if (job.state === "done") {
      return job;
    }
    if (job.state !== "uploading" && job.state !== "queued" && job.state !== "running") {
      const { code, message, hint } = job.error ?? { code: job.state, message: `the job was ${job.state}`, hint: "" };
      throw new SoundExtractError(code, message, hint, 0, "");
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** Downloads an MP3 of the job and checks its SHA-256. */
export async function download(client: Client<paths>, job: Job, number = 1): Promise<ArrayBuffer> {
  const track = job.tracks.find((t) => t.number === number);
  if (!track) {
    throw new SoundExtractError("no_such_track", `the job has no track ${number}`, "choose one of job.tracks", 0, "");
  }
  const { data } = await client.GET("/v1/jobs/{id}/tracks/{number}", {
    params: { path: { id: job.id, number } },
    parseAs: "arrayBuffer",
  });
  const mp3 = data as unknown as ArrayBuffer;
  const digest = Buffer.from(await crypto.subtle.digest("SHA-256", mp3)).toString("hex");
  if (digest !== track.sha256) {
    throw new SoundExtractError("damaged", "the MP3 does not have its SHA-256", "download it again", 0, "");
  }
  return mp3;
}
