// The page of jobs: filters, the list, and what is done with several of them.
import { call, withQuery } from "../api.js";
import { field, fill, h } from "../dom.js";
import { onJob, watch } from "../events.js";
import { count } from "../format.js";
import { announce, errorBox } from "../messages.js";
import { currentQuery, setQuery } from "../router.js";
import { bulkActions } from "./bulk.js";
import { final, jobRow, states } from "./jobrow.js";
import { uploadPanel } from "./uploads.js";
import { list, onUploads } from "../upload/queue.js";

const pageSize = 50;
const refreshEvery = 15000; // ms, at least; new jobs of other clients are not announced
const typing = 300; // ms after the last key

/** Shows the list of jobs. */
export function showJobs() {
  const query = currentQuery();
  const search = field("Name contains", { type: "search", name: "name", value: query.get("name") ?? "", oninput: () => later(typing) });
  const state = field("State", { tag: "select", options: [["", "all"], ...states.map((s) => [s, s])], onchange: () => reload() });
  const label = field("Label", { name: "label", value: query.get("label") ?? "", spellcheck: "false", oninput: () => later(typing) });
  state.control.value = query.get("state") ?? "";

  const rows = new Map(); // job ID: row
  const body = h("tbody", {});
  const message = h("div", {});
  const more = h("button", { type: "button", onclick: () => load({ next }) }, "Show more");
  const all = h("input", { type: "checkbox", "aria-label": "Select all shown jobs", onchange: () => select(all.checked) });
  const bulk = bulkActions({ selected, onDone: () => refresh() });
  const table = h("table", { class: "jobs" },
    h("caption", { class: "unseen" }, "Jobs, newest first"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, all),
      ["Name", "State", "Labels", "Created", "MP3"].map((text) => h("th", { scope: "col" }, text)))), body);

  let next = "";
  let controller = new AbortController();
  let loading = false;
  let outdated = false; // read the list again after the response that is awaited
  let timer = 0; // of filters that are being typed
  let refreshTimer = 0;

  function filters() {
    return { name: search.control.value.trim(), state: state.control.value, label: label.control.value.trim() };
  }

  function later(ms) {
    clearTimeout(timer);
    timer = setTimeout(reload, ms);
  }

  function reload() {
    setQuery(new URLSearchParams(Object.entries(filters()).filter(([, value]) => value !== "")));
    return load({ replace: true, say: true });
  }

  // Reads the newest jobs again without disturbing those who read the list, or a server
  // that has not answered yet.
  function refresh() {
    if (loading) outdated = true;
    else load({});
  }

  function refreshIfVisible() {
    if (!document.hidden) refresh();
  }

  // A slow server is not asked again before as much time has passed as it took to answer.
  function refreshLater(took) {
    clearTimeout(refreshTimer);
    refreshTimer = setTimeout(refreshIfVisible, Math.max(refreshEvery, took));
  }

  async function load({ next: after = "", replace = false, say = false }) {
    controller.abort();
    const current = new AbortController();
    controller = current;
    loading = true;
    if (!after) outdated = false;
    const start = performance.now();
    try {
      const page = await call("GET", withQuery("/v1/jobs", { ...filters(), limit: pageSize, after }), undefined, current);
      if (current.signal.aborted) return;
      if (replace) clear();
      if (!after) dropMissing(page);
      for (const job of page.jobs) put(job);
      if (after || replace || rows.size <= page.jobs.length) next = page.next ?? "";
      fill(message, rows.size === 0 && (Object.values(filters()).some(Boolean)
        ? h("p", {}, "No job matches.") : h("p", {}, "There are no jobs yet. Choose a video above.")));
      if (say) announce(`${count(rows.size, "job")}${next ? " and more" : ""} found.`);
      show();
    } catch (failure) {
      if (current.signal.aborted) return;
      fill(message, errorBox(failure));
    }
    loading = false;
    if (outdated) refresh();
    else refreshLater(performance.now() - start);
  }

  function clear() {
    rows.clear();
    body.replaceChildren();
  }

  // Removes the rows of jobs that the newest page should have and does not have: they were
  // deleted, or the filters no longer apply to them.
  function dropMissing({ jobs, next: rest }) {
    const ids = new Set(jobs.map(({ id }) => id));
    if (rest && jobs.length === 0) return; // the server examined as many jobs as it does for a page
    const oldest = rest ? jobs.at(-1).created : "";
    for (const [id, row] of rows) {
      if (ids.has(id) || row.job.created < oldest) continue;
      row.element.remove();
      rows.delete(id);
    }
  }

  function put(job) {
    const known = rows.get(job.id);
    if (known) {
      known.update(job);
      return;
    }
    const row = jobRow(job, { onSelect: () => bulk.refresh() });
    rows.set(job.id, row);
    const before = [...rows.values()].filter((other) => other !== row && other.job.created < job.created)
      .sort((a, b) => (a.job.created < b.job.created ? 1 : -1))[0];
    body.insertBefore(row.element, before?.element ?? null);
  }

  function show() {
    table.hidden = rows.size === 0;
    more.hidden = next === "";
    bulk.refresh();
    watch([...rows.values()].map(({ job }) => job).filter((job) => !final(job)).map(({ id }) => id));
  }

  function select(checked) {
    for (const row of rows.values()) row.select(checked);
    bulk.refresh();
  }

  function selected() {
    return [...rows.values()].filter((row) => row.selected).map(({ job }) => job);
  }

  const stop = onJob((job) => {
    const row = rows.get(job.id);
    if (!row) return;
    if (job.gone) {
      row.element.remove();
      rows.delete(job.id);
    } else {
      if (final(job) && !final(row.job)) announce(`${job.name} is ${job.state}.`);
      row.update(job);
    }
    show();
  });
  const panel = uploadPanel();
  let known = "";
  const stopUploads = onUploads(() => { // a job was created, or an upload is done
    const now = list().map(({ record }) => record.url).join();
    if (now !== known) refresh();
    known = now;
  });
  document.addEventListener("visibilitychange", refreshIfVisible);
  load({ replace: true });

  return {
    title: "Jobs",
    element: h("div", {}, h("h1", {}, "Jobs"), panel.element,
      h("section", { "aria-labelledby": "list" }, h("h2", { id: "list" }, "Your jobs"),
        h("form", { role: "search", "aria-label": "Filter the jobs", class: "filters", onsubmit: (event) => { event.preventDefault(); reload(); } },
          search.element, state.element, label.element),
        bulk.element, message, table, h("div", { class: "actions" }, more))),
    leave() {
      stop();
      panel.leave();
      stopUploads();
      clearTimeout(refreshTimer);
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", refreshIfVisible);
      controller.abort();
      watch([]);
    },
  };
}
