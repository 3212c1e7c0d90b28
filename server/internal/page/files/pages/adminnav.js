// The pages for administrators.
import { h } from "../dom.js";

const pages = [["/admin", "Accounts"], ["/admin/jobs", "Jobs of all accounts"], ["/admin/work", "What the system is doing"]];

/** Returns the links between the pages; path is the current one. */
export function adminLinks(path) {
  return h("nav", { "aria-label": "Administration" }, h("ul", {}, pages.map(([target, text]) =>
    h("li", {}, h("a", { href: `#${target}`, "aria-current": target === path && "page" }, text)))));
}

/** Returns the name of an account, or the ID of one that was deleted. */
export function ownerName({ name, id }) {
  return h("span", { class: "name" }, name ?? id);
}

/** Returns a link to the administrators' page of a job. */
export function adminJobLink({ id, name }) {
  return h("a", { class: "name", href: `#/admin/jobs/${encodeURIComponent(id)}` }, name);
}

/** Returns the host of the converter that made the last attempt at a job. */
export function converterOf({ history }) {
  const host = history?.attempts.at(-1)?.host;
  return host && h("span", { class: "name" }, host);
}
