// What the system is doing, for administrators: the queue, the converters and the storage.
import { call, withQuery } from "../api.js";
import { fill, h } from "../dom.js";
import { age, size } from "../format.js";
import { errorBox } from "../messages.js";
import { table } from "../table.js";
import { adminJobLink, adminLinks, converterOf, ownerName } from "./adminnav.js";

const refreshEvery = 5000; // ms

/** Shows the work of all services. */
export function showAdminWork() {
  const queue = h("div", {});
  const controller = new AbortController();
  let timer = 0;

  async function load() {
    clearTimeout(timer);
    try {
      const found = await call("GET", "/v1/admin/queue", undefined, controller);
      keepFocus(queue, () => fill(queue, queueParts(found)));
    } catch (failure) {
      if (failure.name === "AbortError") return;
      fill(queue, errorBox(failure));
    }
    timer = setTimeout(() => !document.hidden && load(), refreshEvery);
  }

  const visible = () => !document.hidden && load();
  document.addEventListener("visibilitychange", visible);
  load();
  return {
    title: "What the system is doing",
    element: h("div", {}, h("h1", {}, "What the system is doing"), adminLinks("/admin/work"), queue,
      h("section", { "aria-labelledby": "storage" }, h("h2", { id: "storage" }, "Storage by account"), usage(controller))),
    leave() {
      clearTimeout(timer);
      controller.abort();
      document.removeEventListener("visibilitychange", visible);
    },
  };
}

// Links are replaced with their rows; the one that had the focus gets it again.
function keepFocus(element, change) {
  const address = element.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  change();
  if (address) [...element.querySelectorAll("a")].find((link) => link.getAttribute("href") === address)?.focus();
}

function queueParts({ states, running, waiting, messages }) {
  const lost = messages.filter(({ dead_letters: dead }) => dead > 0);
  return [
    h("h2", {}, "Unfinished jobs"),
    table("Unfinished jobs by state", ["State", "Jobs", "Oldest"], states.map(({ state, jobs, oldest }) =>
      [h("span", { class: "state" }, state), String(jobs), oldest && age(oldest)])),
    lost.map(({ queue, dead_letters: dead }) => h("div", { class: "warning" },
      h("p", {}, h("strong", {}, "Warning: "), `dead letters in the queue ${queue}: ${dead}`))),
    h("h2", {}, "Converters at work"),
    running.length === 0 ? h("p", {}, "No job is running.")
      : table("Jobs that have been running longest", ["Name", "Account", "Converter", "Started", "Done", "Attempt"], running.map(({ owner, job }) =>
        [adminJobLink(job), ownerName(owner), converterOf(job), age(job.history?.attempts.at(-1)?.started ?? job.updated), `${Math.floor(job.progress)} %`, String(job.attempt)])),
    h("h2", {}, "Queue"),
    waiting.length === 0 ? h("p", {}, "No job is waiting.")
      : table("Jobs that have been waiting longest", ["Name", "Account", "Queued", "Size", "Attempts so far"], waiting.map(({ owner, job }) =>
        [adminJobLink(job), ownerName(owner), age(job.history?.queued ?? job.created), size(job.sent.size), String(job.attempt)])),
  ];
}

function usage(controller) {
  const list = h("div", {});
  const more = h("button", { type: "button", hidden: true, onclick: () => load() }, "Show more accounts");
  let shown = [];
  let next = "";

  async function load() {
    try {
      const page = await call("GET", withQuery("/v1/admin/usage", { after: next }), undefined, controller);
      shown = [...shown, ...page.accounts];
      next = page.next ?? "";
      more.hidden = next === "";
      fill(list, shown.length === 0 ? h("p", {}, "No account has any jobs.")
        : table("Storage by account, most first", ["Account", "Stored", "Jobs", "Unfinished uploads", "Jobs today (UTC)"], shown.map((u) =>
          [ownerName(u.owner), size(u.bytes), String(u.jobs), String(u.uploads), String(u.today)])));
    } catch (failure) {
      if (failure.name !== "AbortError") fill(list, errorBox(failure));
    }
  }

  load();
  return [list, h("div", { class: "actions" }, more)];
}
