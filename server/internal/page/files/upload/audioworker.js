// The worker of one upload: it takes the audio out of a file with the readers of sx, compiled to
// WebAssembly. Its messages are {file, track}, answered with what is sent or that the readers are
// unavailable at present, and {at, length}, answered with bytes.

let file = null;
let reader = null; // creates arrays from ranges of the file, synchronously
let readerFailed = false;

// The error of a file that cannot be loaded at present, which is no reason to send the whole video.
class Unavailable extends Error {
  constructor(status) {
    super("unavailable");
    this.status = status; // 0 without a response
  }
}

async function get(name) {
  const unreachable = () => { throw new Unavailable(0); };
  const response = await fetch(`/page/audio/${name}`).catch(unreachable);
  if (response.status === 429 || response.status >= 500) throw new Unavailable(response.status);
  if (!response.ok) throw new Error(`the server has no ${name}`);
  const html = response.headers.get("Content-Type")?.startsWith("text/html"); // the page of a network's sign-in
  if (html) unreachable();
  return response.arrayBuffer().catch(unreachable);
}

async function load() {
  const [program] = await Promise.all([get("audio.wasm"), get("wasm_exec.js")]);
  await import("/page/audio/wasm_exec.js");
  const go = new globalThis.Go();
  const { instance } = await WebAssembly.instantiate(program, go.importObject);
  go.run(instance); // the program runs as long as the worker
}

function readFile(at, length) {
  try {
    return new Uint8Array(reader.readAsArrayBuffer(file.slice(at, at + length)));
  } catch {
    readerFailed = true;
    return null;
  }
}

async function open(message) {
  ({ file } = message);
  try {
    reader = new FileReaderSync();
    await load();
  } catch (error) {
    if (error instanceof Unavailable) return { unavailable: error.status };
    return { whole: "this browser or server has no readers for it" };
  }
  const opened = globalThis.openAudio(readFile, file.size, message.track);
  if (readerFailed) return { unreadable: true };
  if (!opened || opened.error) return { whole: "its structure cannot be read" };
  return opened;
}

function read({ at, length }) {
  const bytes = new Uint8Array(length);
  return globalThis.readAudio(bytes, at) === true ? { bytes: bytes.buffer } : { unreadable: true };
}

// A module that has failed throws from then on.
async function answerTo(message) {
  try {
    return message.file ? await open(message) : read(message);
  } catch {
    return message.file ? { whole: "its structure cannot be read" } : { unreadable: true };
  }
}

addEventListener("message", async ({ data }) => {
  const answer = await answerTo(data);
  postMessage(answer, answer.bytes ? [answer.bytes] : []);
});
