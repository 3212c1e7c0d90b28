// The jobs of all accounts, with their states and reasons, for administrators.
import { call, withQuery } from "../api.js";
import { field, fill, h } from "../dom.js";
import { age, count, moment } from "../format.js";
import { announce, errorBox } from "../messages.js";
import { currentQuery, setQuery } from "../router.js";
import { table } from "../table.js";
import { adminJobLink, adminLinks, converterOf, ownerName } from "./adminnav.js";
import { stateText, states } from "./jobrow.js";

const pageSize = 50;
const typing = 300; // ms after the last key

/** Shows the jobs of all accounts. */
export function showAdminJobs() {
  const query = currentQuery();
  const text = (label, name) => field(label, { name, value: query.get(name) ?? "", autocomplete: "off", spellcheck: "false", oninput: () => later() });
  const fields = {
    name: text("Name contains", "name"), owner: text("Name of the account", "owner"),
    state: field("State", { tag: "select", options: [["", "all"], ...states.map((s) => [s, s])], onchange: () => reload() }),
    code: text("Code of the error", "code"),
  };
  fields.state.control.value = query.get("state") ?? "";
  const message = h("div", {});
  const list = h("div", {});
  const more = h("button", { type: "button", hidden: true, onclick: () => load() }, "Show more");
  let shown = [];
  let next = "";
  let controller = new AbortController();
  let timer = 0;

  function filters() {
    return Object.fromEntries(Object.entries(fields).map(([name, { control }]) => [name, control.value.trim()]));
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(reload, typing);
  }

  async function reload() {
    clearTimeout(timer);
    setQuery(new URLSearchParams(Object.entries(filters()).filter(([, value]) => value !== "")));
    if (await load({ first: true })) announce(`${count(shown.length, "job")}${next ? " and more" : ""} found.`);
  }

  // Reports whether the jobs are shown.
  async function load({ first = false } = {}) {
    controller.abort();
    controller = new AbortController();
    try {
      const page = await call("GET", withQuery("/v1/admin/jobs", { ...filters(), limit: pageSize, after: first ? "" : next }), undefined, controller);
      shown = first ? page.jobs : [...shown, ...page.jobs];
      next = page.next ?? "";
      fill(message, shown.length === 0 && h("p", {}, "No job matches."));
      fill(list, shown.length > 0 && jobTable(shown));
    } catch (failure) {
      if (failure.name === "AbortError") return false;
      next = "";
      fill(message, errorBox(failure));
      fill(list);
    }
    more.hidden = next === "";
    return true;
  }

  load({ first: true });
  return {
    title: "Jobs of all accounts",
    element: h("div", {}, h("h1", {}, "Jobs of all accounts"), adminLinks("/admin/jobs"),
      h("form", { role: "search", "aria-label": "Filter the jobs", class: "filters", onsubmit: (event) => { event.preventDefault(); reload(); } },
        Object.values(fields).map(({ element }) => element)),
      message, list, h("div", { class: "actions" }, more)),
    leave() {
      clearTimeout(timer);
      controller.abort();
    },
  };
}

function jobTable(list) {
  return table("Jobs of all accounts, newest first", ["Name", "Account", "State", "Reason", "Converter", "Created"], list.map(({ owner, job }) => [
    adminJobLink(job), ownerName(owner), h("span", { class: `state ${job.state}` }, stateText(job)),
    job.error && h("span", { class: "name" }, `${job.error.message} (${job.error.code})`),
    converterOf(job), h("time", { datetime: job.created, title: moment(job.created) }, age(job.created)),
  ]));
}
