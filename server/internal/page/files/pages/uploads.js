// The part of the job list where files are chosen, and the uploads of this browser.
import { fill, h, newID } from "../dom.js";
import { count, size } from "../format.js";
import { announce, errorBox, noticeError } from "../messages.js";
import { chosen, dropped } from "../upload/files.js";
import { joinable } from "../upload/joined.js";
import { add, again, list, onUploads, remove } from "../upload/queue.js";
import { encodingOptions } from "./options.js";

/** Returns the part, and a function that ends it. */
export function uploadPanel() {
  const options = encodingOptions();
  const rows = h("ul", { class: "uploads" });
  const shown = new Map(); // upload: its row

  function take(files) {
    if (files.length === 0) {
      announce("No video or audio file was found.");
      return;
    }
    const refused = options.join() && joinable(files);
    if (refused) {
      noticeError(refused);
      return;
    }
    const resumed = add(files, options.metadata(), options.join());
    announce(`${count(files.length, "file")} added${resumed ? `, ${resumed} of them resumed` : ""}.`);
  }

  function refresh() {
    for (const [upload, row] of shown) {
      if (list().includes(upload)) continue;
      keepFocus(row.element);
      row.element.remove();
      shown.delete(upload);
    }
    for (const upload of list()) {
      if (!shown.has(upload)) {
        shown.set(upload, uploadRow(upload));
        rows.append(shown.get(upload).element);
      }
      shown.get(upload).refresh();
    }
    rows.hidden = shown.size === 0;
  }

  const files = picker("Choose files", { accept: "video/*,audio/*,.mkv,.mts,.m2ts,.mxf,.ts" }, take);
  const folder = picker("Choose a folder", { webkitdirectory: true }, take);
  const zone = h("div", { class: "drop" },
    h("p", {}, "Drop videos or folders here, or"),
    h("div", { class: "actions" }, files, folder));
  const element = h("section", { "aria-labelledby": "new" }, h("h2", { id: "new" }, "Convert videos"), zone, options.element, rows);
  const stopDrop = acceptDrops(zone, take);
  const stop = onUploads(refresh);
  refresh();
  return { element, leave: () => { stop(); stopDrop(); } };

  function keepFocus(row) {
    if (row.contains(document.activeElement)) files.querySelector("input").focus();
  }
}

// A file input that looks like a button; the input itself keeps the focus.
function picker(text, attributes, take) {
  const id = newID();
  const input = h("input", {
    type: "file", id, multiple: true, ...attributes,
    onchange: () => {
      take(chosen(input));
      input.value = ""; // so that the same file can be chosen again
    },
  });
  return h("span", { class: "picker" }, input, h("label", { for: id }, text));
}

// Files can be dropped anywhere on the page.
function acceptDrops(zone, take) {
  const over = (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    zone.classList.add("over");
  };
  const out = (event) => {
    if (!event.relatedTarget) zone.classList.remove("over");
  };
  const drop = async (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    try {
      take(await dropped(event.dataTransfer));
    } catch (error) {
      noticeError({ message: `the dropped files cannot be read: ${error.message}`, hint: "choose them with the button" });
    }
  };
  document.addEventListener("dragover", over);
  document.addEventListener("dragleave", out);
  document.addEventListener("drop", drop);
  return () => {
    document.removeEventListener("dragover", over);
    document.removeEventListener("dragleave", out);
    document.removeEventListener("drop", drop);
  };
}

function uploadRow(upload) {
  const { record, title } = upload;
  const id = newID();
  const bar = h("progress", { "aria-labelledby": id });
  const status = h("div", { class: "status" });
  const retry = h("button", { type: "button", onclick: () => again(upload), hidden: true }, "Try again");
  const element = h("li", {},
    h("span", { class: "name", id }, title), bar, status,
    h("div", { class: "actions" }, retry,
      h("button", { type: "button", class: "quiet", onclick: () => remove(upload), "aria-label": `Cancel the upload of ${title}` }, "Cancel")));
  let said = null;
  return {
    element,
    refresh() {
      bar.max = Math.max(1, upload.size);
      bar.value = upload.sent;
      retry.hidden = upload.state !== "failed" || !upload.files || upload.refused;
      const says = upload.failure ?? statusText(upload);
      if (says === said) return;
      said = says;
      fill(status, upload.failure ? errorBox(upload.failure) : h("p", {}, says));
    },
  };
}

function statusText({ state, record, size: total, sent, interrupted }) {
  const progress = `${size(sent)} of ${size(total)}${contentText(record)}`;
  switch (state) {
    case "sending": {
      const doing = record.sending ? progress : `looking for the audio, ${size(record.size)}`;
      return interrupted ? `${doing}. The connection is interrupted; the upload continues by itself.` : doing;
    }
    case "missing":
      return record.joined
        ? `${progress}. Choose the same ${record.joined.length} files together again to continue.`
        : `${progress}. Choose the same file again to continue.`;
    case "waiting":
      return `waiting, ${size(record.size)}`;
    default:
      return progress;
  }
}

function contentText({ size: all, sending }) {
  if (!sending) return "";
  return sending.whole ? `; the whole file is sent: ${sending.whole}` : ` of audio; the video of ${size(all)} stays here`;
}
