// What the page says: errors where they happened, notices, and announcements for screen
// readers.
import { h } from "./dom.js";

/** Returns an element that shows an error as sx does: the message, the code, the hint. */
export function errorBox(failure) {
  return h("div", { class: "error", role: "alert" }, errorText(failure));
}

/** Returns the lines of an error. */
export function errorText({ message, code, hint }) {
  return [
    h("p", {}, h("strong", {}, "Error: "), message, code && h("span", { class: "code" }, ` (${code})`)),
    hint && h("p", {}, h("strong", {}, "Hint: "), hint),
  ];
}

/** Says a sentence to screen readers without moving the focus. */
export function announce(text) {
  document.getElementById("live").textContent = text;
}

/** Shows a notice that the person can close; errors are announced at once. */
export function notice(content, { failed = false } = {}) {
  const box = h("div", { class: failed ? "notice error" : "notice", role: failed ? "alert" : "status" },
    h("div", {}, content),
    h("button", { type: "button", class: "quiet", "aria-label": "Close this message", onclick: () => box.remove() }, "×"));
  const list = document.getElementById("notices");
  list.append(box);
  while (list.children.length > 5) list.firstElementChild.remove();
}

/** Shows an error as a notice. */
export function noticeError(failure) {
  notice(errorText(failure), { failed: true });
}
