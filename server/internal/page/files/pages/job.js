// The page of one job: what it is, its MP3, its warnings and its error.
import { call, jobPath } from "../api.js";
import { confirm } from "../dialog.js";
import { field, fill, h } from "../dom.js";
import { onJob, watch } from "../events.js";
import { form } from "../form.js";
import { age, moment, position, size } from "../format.js";
import { announce, errorBox, errorText, notice, noticeError } from "../messages.js";
import { go } from "../router.js";
import { final, stateText } from "./jobrow.js";
import { player } from "./player.js";
import { shareSection } from "./share.js";

/** Shows a job. */
export function showJob({ id }) {
  const heading = h("h1", { class: "name" }, "Job");
  const content = h("div", {});
  const parts = { job: null };

  async function load() {
    try {
      show(await call("GET", jobPath(id)));
    } catch (failure) {
      fill(content, errorBox(failure), h("p", {}, h("a", { href: "#/" }, "Go to the jobs")));
    }
  }

  function show(job) {
    if (parts.job === null) {
      Object.assign(parts, newParts(id, show));
      fill(content, parts.state, parts.problems, parts.player, parts.actions, parts.share.element, parts.edit, parts.details);
    }
    const before = parts.job;
    parts.job = job;
    heading.textContent = job.name;
    document.title = `${job.name} – SoundExtract`;
    update(parts, job, before);
    watch(final(job) ? [] : [job.id]);
  }

  const stop = onJob((job) => {
    if (job.id !== id || parts.job === null) return;
    if (job.gone) {
      notice("The job was deleted.");
      go("/");
      return;
    }
    if (final(job) && !final(parts.job)) announce(`${job.name} is ${job.state}.`);
    show(job);
  });
  load();
  return {
    title: "Job",
    element: h("div", {}, h("p", {}, h("a", { href: "#/" }, "All jobs")), heading, content),
    leave() {
      stop();
      watch([]);
    },
  };
}

function newParts(id, show) {
  const act = (name) => async () => {
    try {
      show(await call("POST", jobPath(id, name)));
    } catch (failure) {
      noticeError(failure);
    }
  };
  const buttons = {
    retry: h("button", { type: "button", onclick: act("retry") }, "Retry"),
    cancel: h("button", { type: "button", onclick: act("cancel") }, "Cancel"),
    remove: h("button", { type: "button", class: "danger", onclick: () => remove(id) }, "Delete"),
  };
  return {
    buttons,
    state: h("div", { class: "jobstate" }),
    problems: h("div", {}),
    player: h("section", { "aria-label": "MP3" }),
    actions: h("div", { class: "actions" }, Object.values(buttons)),
    share: shareSection(id, async () => show(await call("GET", jobPath(id)))),
    edit: h("div", {}),
    details: h("section", { "aria-labelledby": "details" }),
    show,
  };
}

function update(parts, job, before) {
  fill(parts.state, h("span", { class: `state ${job.state}` }, stateText(job)),
    !final(job) && job.state !== "queued" && h("progress", { max: 100, value: job.progress, "aria-label": "Progress" }));
  fill(parts.problems, (job.warnings ?? []).map(({ code, message }) =>
    h("div", { class: "warning" }, h("p", {}, h("strong", {}, "Warning: "), message, h("span", { class: "code" }, ` (${code})`)))),
  job.error && h("div", { class: "error" }, errorText(job.error)));
  parts.buttons.retry.hidden = job.state !== "failed" && job.state !== "cancelled";
  parts.buttons.cancel.hidden = final(job);
  const track = job.tracks?.[0];
  parts.share.element.hidden = !track;
  parts.share.update(job);
  if (digests(before) !== digests(job)) {
    fill(parts.player, track && player(job));
    fill(parts.edit, track && editForm(parts, track));
  }
  fill(parts.details, h("h2", { id: "details" }, "Details"), details(job));
}

function digests(job) {
  return (job?.tracks ?? []).map(({ sha256 }) => sha256).join();
}

// Several MP3s have titles of their own, which stay.
function editForm(parts, track) {
  const { job } = parts;
  const several = job.tracks.length > 1;
  const title = field("Title", { value: track.title ?? "", maxlength: 1000, autocomplete: "off" });
  const artist = field("Artist", { value: track.artist ?? "", maxlength: 1000, autocomplete: "off" });
  const album = field("Album", { value: track.album ?? "", maxlength: 1000, autocomplete: "off" });
  const labels = field("Labels", { value: (job.labels ?? []).join(", "), autocomplete: "off" }, "Separated by commas.");
  const texts = several ? { artist, album } : { title, artist, album };
  return h("details", {}, h("summary", {}, several ? "Edit the artist and album of all MP3s, and the labels" : "Edit the title, artist, album and labels"), form({
    label: "Edit the job", button: "Save", children: h("div", { class: "grid" }, [...Object.values(texts), labels].map((f) => f.element)),
    submit: async () => {
      const wanted = labels.control.value.split(",").map((text) => text.trim()).filter(Boolean);
      const had = parts.job.labels ?? [];
      parts.show(await call("PATCH", jobPath(job.id), {
        ...changedText(texts, track),
        add_labels: wanted.filter((text) => !had.includes(text)),
        remove_labels: had.filter((text) => !wanted.includes(text)),
      }));
      notice("The changes are saved.");
    },
  }));
}

// Texts that stay the same are left out: each change writes the MP3's tag again.
function changedText(fields, track) {
  return Object.fromEntries(Object.entries(fields)
    .map(([name, { control }]) => [name, control.value.trim()])
    .filter(([name, text]) => text !== (track[name] ?? "")));
}

async function remove(id) {
  if (!await confirm({ title: "Delete the job?", text: "Its video and MP3 are deleted too. This cannot be undone.", button: "Delete" })) return;
  try {
    await call("DELETE", jobPath(id));
    announce("The job is deleted.");
    go("/");
  } catch (failure) {
    noticeError(failure);
  }
}

function details(job) {
  const sources = job.sources ?? [];
  const rows = [
    ["ID", h("code", {}, job.id)],
    ["Created", `${moment(job.created)} (${age(job.created)})`],
    ["Updated", `${moment(job.updated)} (${age(job.updated)})`],
    job.attempt > 1 && ["Attempt", job.attempt],
    ...sources.map((source) => ["Source", `${source.name}, ${size(source.size)}${audioOnly(source, job) ? ", only its audio was sent" : ""}`]),
    job.sent.sha256 && ["Sent", `${size(job.sent.size)}, SHA-256 ${job.sent.sha256}`],
    ["Options", optionsText(job.options)],
    ...(job.tracks ?? []).map(({ name, sha256 }) => ["MP3", `${name}, SHA-256 ${sha256}`]),
    job.labels?.length > 0 && ["Labels", job.labels.join(", ")],
    job.priority === "low" && ["Priority", "low"],
    job.video_deleted ? ["Video", "deleted"] : job.delete_video_at && ["Video", `kept until ${moment(job.delete_video_at)}`],
    job.delete_at && ["Job", `kept until ${moment(job.delete_at)}`],
  ].filter(Boolean);
  return h("dl", {}, rows.map(([term, text]) => h("div", {}, h("dt", {}, term), h("dd", {}, text))));
}

// Of files that are joined, all of some may be sent.
function audioOnly(source, job) {
  return job.sent.audio_only && (!source.sent || source.sent !== source.size);
}

function optionsText(options = {}) {
  const parts = [];
  if (options.bitrate) parts.push(`constant ${options.bitrate} kbit/s`);
  else if (options.quality !== undefined) parts.push(`variable, quality ${options.quality}`);
  else parts.push(options.preset ?? "standard");
  if (options.mono) parts.push("mono");
  if (options.track) parts.push(`track ${options.track}`);
  if (options.keep_all_tags) parts.push("all tags");
  if (options.start) parts.push(`from ${position(options.start)}`);
  if (options.end) parts.push(`to ${position(options.end)}`);
  if (options.loudness) parts.push(`loudness ${options.loudness}${options.loudness === "auto" ? "" : " LUFS"}`);
  if (options.split_chapters) parts.push("split by chapters");
  if (options.split_every) parts.push(`split every ${position(options.split_every)}`);
  for (const name of ["title", "artist", "album"]) {
    if (options[name]) parts.push(`${name} “${options[name]}”`);
  }
  return parts.join(", ");
}
