// The files that a person chooses or drops, alone or in folders.

// What sx converts in a folder by its name. MP3s there are skipped, as by sx.
const extensions = /\.(3g2|3gp|aac|aif|aiff|asf|avi|flac|flv|m2ts|m4a|m4b|m4v|mka|mkv|mov|mp4|mpeg|mpg|mts|mxf|oga|ogg|ogv|opus|vob|wav|webm|wma|wmv)$/i;

/** Returns the chosen files of an input as {file, name}. Those of a folder are filtered. */
export function chosen(input) {
  return [...input.files]
    .filter((file) => file.webkitRelativePath === "" || file.webkitRelativePath.split("/").slice(1).every(visible) && extensions.test(file.name))
    .map((file) => ({ file, name: file.webkitRelativePath ? below(file.webkitRelativePath) : file.name }));
}

/** Resolves to the dropped files as {file, name}. Folders are searched. */
export async function dropped(transfer) {
  // The entries must be taken before the first await.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const found = [];
  for (const entry of entries) {
    if (entry.isFile) found.push({ file: await fileOf(entry), name: entry.name });
    else await search(entry, "", found);
  }
  return found;
}

async function search(directory, path, found) {
  const reader = directory.createReader();
  for (;;) {
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return;
    for (const entry of entries) {
      const name = path + entry.name;
      if (!visible(entry.name)) continue;
      if (entry.isDirectory) await search(entry, `${name}/`, found);
      else if (extensions.test(entry.name)) found.push({ file: await fileOf(entry), name });
    }
  }
}

function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

function visible(name) {
  return !name.startsWith(".");
}

// Jobs are named by the path below the folder, as by sx.
function below(path) {
  return path.slice(path.indexOf("/") + 1);
}
