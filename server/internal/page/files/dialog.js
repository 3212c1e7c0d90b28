// Questions before something is lost.
import { h, newID } from "./dom.js";

/** Asks a question, and resolves to whether the person confirmed it. */
export function confirm({ title, text, button, keep = "Keep", danger = true }) {
  const id = newID();
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-labelledby": id, onclose: () => { dialog.remove(); resolve(dialog.returnValue === "yes"); } },
      h("h2", { id }, title), h("p", {}, text),
      h("div", { class: "actions" },
        h("button", { type: "button", onclick: () => dialog.close("no"), autofocus: true }, keep),
        h("button", { type: "button", class: danger ? "danger" : "primary", onclick: () => dialog.close("yes") }, button)));
    document.body.append(dialog);
    dialog.showModal();
  });
}
