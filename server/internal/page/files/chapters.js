// The chapters in an MP3's ID3v2.4 tag (frames CHAP of the addendum "ID3v2 Chapter Frame").
// Only the parts of the tag that are needed are requested: a cover can have megabytes.
import { marked } from "./api.js";

const header = 10; // bytes, of the tag and of each frame
const part = 64 << 10; // bytes of a request
const maxChapters = 10000;
const maxRequests = 64;

/** Resolves to the chapters: {start, title}, start in seconds. */
export async function readChapters(url) {
  const source = new Source(url);
  const head = await source.read(0, header);
  if (head.length < header || text(head.subarray(0, 3)) !== "ID3" || head[3] !== 4) return [];
  const end = header + syncsafe(head, 6);
  const chapters = [];
  for (let at = header; at + header <= end && chapters.length < maxChapters;) {
    const frame = await source.read(at, header);
    const id = text(frame.subarray(0, 4));
    if (frame.length < header || !/^[A-Z0-9]{4}$/.test(id)) break; // padding
    const length = syncsafe(frame, 4);
    if (id === "CHAP" && length <= part) chapters.push(parseChapter(await source.read(at + header, length)));
    at += header + length;
  }
  return chapters.filter(Boolean).sort((a, b) => a.start - b.start);
}

// Reads a file by range requests of a part each.
class Source {
  #url;
  #from = 0;
  #bytes = new Uint8Array(0);
  #requests = 0;

  constructor(url) {
    this.#url = url;
  }

  async read(at, length) {
    if (at < this.#from || at + length > this.#from + this.#bytes.length) {
      this.#requests += 1;
      if (this.#requests > maxRequests) return new Uint8Array(0);
      const response = await fetch(this.#url, { headers: { ...marked, Range: `bytes=${at}-${at + part - 1}` } });
      if (response.status !== 206) return new Uint8Array(0);
      this.#from = at;
      this.#bytes = new Uint8Array(await response.arrayBuffer());
    }
    return this.#bytes.subarray(at - this.#from, at - this.#from + length);
  }
}

// A chapter is its ID, ended by 0, four numbers (start and end in milliseconds and in bytes), and
// frames, of which TIT2 is its title.
function parseChapter(bytes) {
  const start = bytes.indexOf(0) + 1;
  if (start === 0 || bytes.length < start + 16) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let title = "";
  for (let at = start + 16; at + header <= bytes.length;) {
    const length = syncsafe(bytes, at + 4);
    if (text(bytes.subarray(at, at + 4)) === "TIT2") title = content(bytes.subarray(at + header, at + header + length));
    at += header + length;
  }
  return { start: view.getUint32(start) / 1000, title };
}

// The first byte of a text frame is its encoding.
function content(bytes) {
  const encoding = { 0: "latin1", 1: "utf-16", 2: "utf-16be", 3: "utf-8" }[bytes[0]];
  return encoding ? new TextDecoder(encoding).decode(bytes.subarray(1)).split("\0")[0] : "";
}

// A number of four bytes with seven bits each.
function syncsafe(bytes, at) {
  return [0, 1, 2, 3].reduce((sum, i) => sum * 128 + (bytes[at + i] & 127), 0);
}

function text(bytes) {
  return String.fromCharCode(...bytes);
}
