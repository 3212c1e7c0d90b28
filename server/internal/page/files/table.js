// Tables of plain rows, which become lists in narrow windows.
import { h } from "./dom.js";

/** Returns a table. Each row has a cell for each heading: an element, a text or an array of them. */
export function table(caption, headings, rows) {
  return h("table", { class: "plain" },
    h("caption", { class: "unseen" }, caption),
    h("thead", {}, h("tr", {}, headings.map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, rows.map((cells) => h("tr", {},
      cells.map((content, i) => h("td", { "data-label": headings[i] }, content ?? ""))))));
}
