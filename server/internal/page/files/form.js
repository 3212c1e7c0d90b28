// Forms that send one request: the button is busy meanwhile, and an error is shown above it.
import { h } from "./dom.js";
import { errorBox } from "./messages.js";

/** Returns a form. submit is called with no arguments, and its errors are shown. */
export function form({ label, children, button, danger = false, submit, name }) {
  const failures = h("div", {});
  const send = h("button", { type: "submit", class: danger ? "danger" : "primary" }, button);
  const element = h("form", { "aria-label": label ?? name, novalidate: false, onsubmit: onSubmit },
    children, failures, h("div", { class: "actions" }, send));

  async function onSubmit(event) {
    event.preventDefault();
    if (send.getAttribute("aria-disabled") === "true") return;
    send.setAttribute("aria-disabled", "true");
    failures.replaceChildren();
    try {
      await submit();
    } catch (failure) {
      failures.replaceChildren(errorBox(failure));
    } finally {
      send.removeAttribute("aria-disabled");
    }
  }
  return element;
}
