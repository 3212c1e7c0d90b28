// What is done with the selected jobs.
import { call, jobPath, withQuery } from "../api.js";
import { confirm } from "../dialog.js";
import { field, h } from "../dom.js";
import { count } from "../format.js";
import { announce, noticeError } from "../messages.js";
import { final } from "./jobrow.js";

const parallel = 4; // requests at the same time
const archiveSize = 100; // jobs; the server refuses more

/** Returns the row of actions. selected returns the jobs. */
export function bulkActions({ selected, onDone }) {
  const number = h("span", {});
  const label = field("Label to add or remove", { autocomplete: "off", spellcheck: "false", size: 12 });
  const buttons = {
    download: button("Download", (job) => job.tracks?.length > 0, download),
    retry: button("Retry", (job) => job.state === "failed" || job.state === "cancelled",
      (jobs) => each(jobs, "queued again", (job) => call("POST", jobPath(job.id, "retry")))),
    cancel: button("Cancel", (job) => !final(job),
      (jobs) => each(jobs, "cancelled", (job) => call("POST", jobPath(job.id, "cancel")))),
    add: button("Add the label", () => label.control.value.trim() !== "", (jobs) => relabel(jobs, "add_labels")),
    drop: button("Remove the label", () => label.control.value.trim() !== "", (jobs) => relabel(jobs, "remove_labels")),
    remove: button("Delete", () => true, remove),
  };
  label.control.addEventListener("input", () => refresh());
  const element = h("div", { class: "bulk", role: "group", "aria-label": "Selected jobs", hidden: true },
    number, buttons.download.element, buttons.retry.element, buttons.cancel.element,
    label.element, buttons.add.element, buttons.drop.element, buttons.remove.element);

  function refresh() {
    const jobs = selected();
    element.hidden = jobs.length === 0;
    number.textContent = `${count(jobs.length, "job")} selected`;
    for (const { element: b, applies } of Object.values(buttons)) b.disabled = !jobs.some(applies);
  }

  function button(text, applies, act) {
    const b = h("button", { type: "button", onclick: () => act(selected().filter(applies)) }, text);
    return { element: b, applies };
  }

  async function each(jobs, done, act) {
    const waiting = [...jobs];
    let succeeded = 0;
    const failures = [];
    await Promise.all(Array.from({ length: parallel }, async () => {
      for (let job = waiting.shift(); job; job = waiting.shift()) {
        try {
          await act(job);
          succeeded += 1;
        } catch (failure) {
          failures.push(failure);
        }
      }
    }));
    announce(`${count(succeeded, "job")} ${done}.`);
    failures.slice(0, 3).forEach(noticeError);
    if (failures.length > 3) noticeError({ message: `${failures.length - 3} more failed` });
    onDone();
  }

  function relabel(jobs, what) {
    const text = label.control.value.trim();
    return each(jobs, "changed", (job) => call("PATCH", jobPath(job.id), { [what]: [text] }));
  }

  async function remove(jobs) {
    const question = { title: `Delete ${count(jobs.length, "job")}?`, text: "Their videos and MP3s are deleted too. This cannot be undone.", button: "Delete" };
    if (await confirm(question)) await each(jobs, "deleted", (job) => call("DELETE", jobPath(job.id)));
  }

  // One MP3 as it is, several in ZIP archives.
  function download(jobs) {
    const [first] = jobs;
    if (jobs.length === 1 && first.tracks.length === 1) {
      save(jobPath(first.id, "tracks", first.tracks[0].number));
      return;
    }
    for (let at = 0; at < jobs.length; at += archiveSize) {
      save(withQuery("/v1/tracks.zip", { id: jobs.slice(at, at + archiveSize).map(({ id }) => id) }));
    }
  }

  function save(href) {
    h("a", { href, download: true }).click();
  }

  return { element, refresh };
}
