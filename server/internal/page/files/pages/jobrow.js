// One job in the list.
import { jobPath } from "../api.js";
import { fill, h } from "../dom.js";
import { age, clock, moment, size } from "../format.js";
import { archivePath, totals } from "./player.js";

/** The states of jobs, in their order. */
export const states = ["uploading", "queued", "running", "done", "failed", "cancelled", "expired"];

/** Reports whether a job can no longer change by itself. */
export function final({ state }) {
  return !["uploading", "queued", "running"].includes(state);
}

/** Returns the text of a job's state: its name, and the progress. */
export function stateText(job) {
  if (job.state === "uploading") return `uploading, ${Math.floor(job.progress)} %`;
  if (job.state === "running") {
    return `running, ${Math.floor(job.progress)} %${job.remaining ? `, ${clock(job.remaining)} left` : ""}`;
  }
  return job.state;
}

/** Returns the row of a job in the table. */
export function jobRow(job, { onSelect }) {
  const box = h("input", { type: "checkbox", onchange: onSelect });
  const cells = Array.from({ length: 5 }, () => h("td", {}));
  const [name, state, labels, created, mp3] = cells;
  const row = {
    element: h("tr", {}, h("td", { class: "select" }, box), cells),
    job: null,
    get selected() {
      return box.checked;
    },
    select(checked) {
      box.checked = checked;
    },
    update(changed) {
      const before = row.job;
      row.job = changed;
      if (before?.name !== changed.name) {
        box.setAttribute("aria-label", `Select ${changed.name}`);
        fill(name, h("a", { class: "name", href: `#/jobs/${encodeURIComponent(changed.id)}` }, changed.name));
      }
      fill(state, h("span", { class: `state ${changed.state}` }, stateText(changed)),
        !final(changed) && changed.state !== "queued" && h("progress", { max: 100, value: changed.progress, "aria-label": `Progress of ${changed.name}` }),
        changed.error && h("p", { class: "reason" }, changed.error.message),
        changed.warnings?.length > 0 && h("p", { class: "reason" }, changed.warnings.length === 1 ? "1 warning" : `${changed.warnings.length} warnings`));
      fill(labels, (changed.labels ?? []).map((label) => h("span", { class: "label" }, label)));
      fill(created, h("time", { datetime: changed.created, title: moment(changed.created) }, age(changed.created)));
      const track = changed.tracks?.[0];
      if (before?.tracks?.[0]?.sha256 !== track?.sha256) {
        if (changed.tracks?.length > 1) {
          fill(mp3, h("a", { href: archivePath(changed.id), download: true, "aria-label": `Download the MP3s of ${changed.name}` }, `Download ${changed.tracks.length}`), ` ${totals(changed.tracks)}`);
          return;
        }
        fill(mp3, track && h("a", { href: jobPath(changed.id, "tracks", track.number), download: true, "aria-label": `Download ${track.name}` }, "Download"),
          track && ` ${size(track.size)}, ${clock(track.duration)}`);
      }
    },
  };
  cells.forEach((cell, i) => cell.setAttribute("data-label", ["Name", "State", "Labels", "Created", "MP3"][i]));
  row.update(job);
  return row;
}
