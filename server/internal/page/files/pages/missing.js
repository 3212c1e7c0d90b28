// The page for addresses that do not exist.
import { h } from "../dom.js";

/** Says that there is no such page. */
export function showMissing() {
  return {
    title: "Not found",
    element: h("div", {}, h("h1", {}, "Page not found"), h("p", {}, h("a", { href: "#/" }, "Go to the jobs"))),
  };
}
