// Files that become one MP3: their order, and what is sent of all of them, one after another.
import { openContent, unreadable } from "./content.js";

const most = 50; // files

/** Returns the error of files that cannot be joined; null if they can. */
export function joinable(files) {
  if (files.length > most) {
    return { message: `${files.length} files cannot be joined; at most ${most} can`, hint: "join fewer files, such as those of one recording" };
  }
  const known = new Set();
  for (const { file, name } of files) {
    const key = `${name}/${file.size}/${file.lastModified}`;
    if (known.has(key)) return { message: `${file.name} would be joined twice`, hint: "add each file once" };
    known.add(key);
  }
  return null;
}

const byNumber = new Intl.Collator("en", { numeric: true });

/** Returns files in the order of their numbers, as sx has them; 9 precedes 10. */
export function ordered(files) {
  return [...files].sort((a, b) => byNumber.compare(chapterLast(a.name), chapterLast(b.name)));
}

// Cameras by GoPro name the second chapter of recording 0034 GH020034.MP4 or, older ones, GP010034.MP4.
function chapterLast(path) {
  const slash = path.lastIndexOf("/") + 1;
  const name = path.slice(slash)
    .replace(/^gopr([0-9]{4})(\.[a-z0-9]+)$/i, "gopro $1 00$2")
    .replace(/^g[hxlp]([0-9]{2})([0-9]{4})(\.[a-z0-9]+)$/i, "gopro $2 $1$3");
  return path.slice(0, slash) + name;
}

/**
 * Returns a function like openContent, for files ({file, name}) that are joined. Only one of them is open at a time:
 * the worker of each takes some memory. What was learned of the others is kept if it fails.
 */
export function openJoined(files, track, signal) {
  const known = []; // of each file: form, size, first and whole
  return async () => {
    for (const { file } of files.slice(known.length)) {
      const content = await openContent(file, track, signal);
      content.close();
      const { form, size, first, whole } = content;
      known.push({ form, size, first, whole });
    }
    return joined(files, known, track, signal);
  };
}

function joined(files, known, track, signal) {
  let current = null;
  let open = -1;
  const close = () => {
    current?.close();
    current = null;
  };
  const read = async (at, length) => {
    let index = 0;
    let from = at;
    while (from >= known[index].size) {
      from -= known[index].size;
      index += 1;
    }
    if (index !== open || !current) {
      close();
      current = await openContent(files[index].file, track, signal);
      open = index;
      if (current.form !== known[index].form || current.size !== known[index].size || current.first !== known[index].first) throw unreadable();
    }
    return current.read(from, Math.min(length, known[index].size - from));
  };
  return {
    form: "join1", size: known.reduce((sum, { size }) => sum + size, 0),
    first: known.map(({ form, size, first }) => `${form} ${size} ${first}`).join(),
    whole: known.every(({ whole }) => whole) ? known[0].whole : "",
    sources: known.map(({ size }, i) => ({ name: files[i].name, size: files[i].file.size, sent: size })),
    read, close,
  };
}
