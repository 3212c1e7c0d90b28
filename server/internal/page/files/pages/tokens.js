// The part of the account page for personal tokens.
import { call } from "../api.js";
import { confirm } from "../dialog.js";
import { field, fill, h } from "../dom.js";
import { form } from "../form.js";
import { moment } from "../format.js";
import { errorBox, noticeError } from "../messages.js";

const day = 86400; // seconds

/** Returns the list of tokens and the form to create one. */
export function tokenSection() {
  const list = h("div", {});
  const created = h("div", { role: "status" });
  const name = field("Name of the token", { autocomplete: "off", spellcheck: "false", required: true, pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]{0,62}" },
    "Letters, digits and . _ -, such as the name of the program that uses it.");
  const life = field("Valid for", { tag: "select", options: [[30 * day, "30 days"], [7 * day, "7 days"], [90 * day, "90 days"], [366 * day, "a year"]] });

  async function load() {
    try {
      const { tokens } = await call("GET", "/v1/auth/tokens");
      fill(list, tokens.length === 0 ? h("p", {}, "There are no tokens.") : h("ul", { class: "tokens" }, tokens.map(row)));
    } catch (failure) {
      fill(list, errorBox(failure));
    }
  }

  function row(token) {
    const ended = new Date(token.expires) < new Date();
    return h("li", {}, h("span", { class: "name" }, token.name), ` ${ended ? "expired" : "until"} ${moment(token.expires)} `,
      h("button", { type: "button", "aria-label": `Revoke ${token.name}`, onclick: () => revoke(token) }, "Revoke"));
  }

  async function revoke(token) {
    if (!await confirm({ title: `Revoke ${token.name}?`, text: "Programs that use the token can no longer sign in with it.", button: "Revoke" })) return;
    try {
      await call("DELETE", `/v1/auth/tokens/${encodeURIComponent(token.id)}`);
      fill(created);
    } catch (failure) {
      noticeError(failure);
    }
    await load();
  }

  load();
  return h("div", {}, h("p", {}, "Scripts sign in with a personal token in place of a password."), list, created,
    form({
      label: "Create a personal token", button: "Create a token", children: h("div", { class: "grid" }, name.element, life.element),
      submit: async () => {
        const made = await call("POST", "/v1/auth/tokens", { name: name.control.value.trim(), expires_in: Number(life.control.value) });
        name.control.value = "";
        fill(created, h("div", { class: "notice" }, h("div", {},
          h("p", {}, `Copy the token ${made.name} now. It is not shown again.`), h("p", {}, h("code", {}, made.token)))));
        await load();
      },
    }));
}
