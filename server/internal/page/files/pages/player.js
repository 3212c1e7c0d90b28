// The player of a job's MP3s, with their chapters.
import { jobPath, withQuery } from "../api.js";
import { readChapters } from "../chapters.js";
import { fill, h } from "../dom.js";
import { clock, size } from "../format.js";

/** Returns the player of a job's MP3s, and the download. */
export function player(job) {
  const { tracks } = job;
  if (tracks.length > 1) return playlist(job);
  const [track] = tracks;
  const path = jobPath(job.id, "tracks", track.number);
  const audio = h("audio", { controls: true, preload: "metadata", src: path, "aria-label": `Play ${track.name}` });
  const list = h("div", {});
  showChapters(list, audio, path);
  return [audio, list,
    h("p", {}, h("a", { class: "button primary", href: path, download: true }, "Download the MP3"), ` ${size(track.size)}, ${clock(track.duration)}`)];
}

// One player for several MP3s, which it plays one after the other.
function playlist({ id, tracks }) {
  const audio = h("audio", { controls: true, preload: "metadata" });
  const chapters = h("div", {});
  const path = ({ number }) => jobPath(id, "tracks", number);
  const label = (track) => track.title || track.name;
  const buttons = tracks.map((track, i) => h("button", { type: "button", class: "quiet", onclick: () => choose(i, true) },
    `${track.number}. `, h("span", { class: "name" }, label(track))));
  let current = 0;

  function choose(i, play) {
    buttons[current].removeAttribute("aria-current");
    current = i;
    buttons[i].setAttribute("aria-current", "true");
    audio.src = path(tracks[i]);
    audio.setAttribute("aria-label", `Play ${label(tracks[i])}`);
    fill(chapters);
    showChapters(chapters, audio, path(tracks[i]), () => current === i);
    if (play) audio.play();
  }

  audio.addEventListener("ended", () => {
    if (current + 1 < tracks.length) choose(current + 1, true);
  });
  choose(0, false);
  return [audio, chapters,
    h("ol", { class: "chapters" }, tracks.map((track, i) => h("li", {}, buttons[i], " ",
      h("span", { class: "together" }, h("a", { href: path(track), download: true, "aria-label": `Download ${label(track)}` }, "Download"), ` ${size(track.size)}, ${clock(track.duration)}`)))),
    h("p", {}, h("a", { class: "button primary", href: archivePath(id), download: true }, "Download all MP3s as ZIP"), ` ${totals(tracks)}`)];
}

/** Returns the address of the ZIP archive of a job's MP3s. */
export function archivePath(id) {
  return withQuery("/v1/tracks.zip", { id: [id] });
}

/** Returns the size and the length of MP3s together. */
export function totals(tracks) {
  const sum = (name) => tracks.reduce((total, track) => total + track[name], 0);
  return `${size(sum("size"))}, ${clock(sum("duration"))}`;
}

async function showChapters(list, audio, path, wanted = () => true) {
  const chapters = await readChapters(path).catch(() => []); // the player works without
  if (chapters.length === 0 || !wanted()) return;
  const buttons = chapters.map(({ start, title }, i) => h("button", {
    type: "button", class: "quiet", onclick: () => { audio.currentTime = start; audio.play(); },
  }, `${clock(start)} `, h("span", { class: "name" }, title || `Chapter ${i + 1}`)));
  audio.addEventListener("timeupdate", () => {
    if (!wanted()) return;
    const at = chapters.findLastIndex(({ start }) => start <= audio.currentTime);
    buttons.forEach((button, i) => {
      if (i === at) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    });
  });
  fill(list, h("details", { open: chapters.length <= 20 }, h("summary", {}, "Chapters"),
    h("ol", { class: "chapters" }, buttons.map((button) => h("li", {}, button)))));
}
