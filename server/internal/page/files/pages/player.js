// The player of an MP3, with its chapters.
import { jobPath } from "../api.js";
import { readChapters } from "../chapters.js";
import { fill, h } from "../dom.js";
import { clock, size } from "../format.js";

/** Returns the player of a job's track, and the download. */
export function player(job, track) {
  const path = jobPath(job.id, "tracks", track.number);
  const audio = h("audio", { controls: true, preload: "metadata", src: path, "aria-label": `Play ${track.name}` });
  const list = h("div", {});
  showChapters(list, audio, path);
  return [audio, list,
    h("p", {}, h("a", { class: "button primary", href: path, download: true }, "Download the MP3"), ` ${size(track.size)}, ${clock(track.duration)}`)];
}

async function showChapters(list, audio, path) {
  const chapters = await readChapters(path).catch(() => []); // the player works without
  if (chapters.length === 0) return;
  const buttons = chapters.map(({ start, title }, i) => h("button", {
    type: "button", class: "quiet", onclick: () => { audio.currentTime = start; audio.play(); },
  }, `${clock(start)} `, h("span", { class: "name" }, title || `Chapter ${i + 1}`)));
  audio.addEventListener("timeupdate", () => {
    const at = chapters.findLastIndex(({ start }) => start <= audio.currentTime);
    buttons.forEach((button, i) => {
      if (i === at) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    });
  });
  fill(list, h("details", { open: chapters.length <= 20 }, h("summary", {}, "Chapters"),
    h("ol", { class: "chapters" }, buttons.map((button) => h("li", {}, button)))));
}
