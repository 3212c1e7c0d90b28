// The part of a job's page for links by which others play the MP3.
import { call, jobPath } from "../api.js";
import { confirm } from "../dialog.js";
import { field, fill, h } from "../dom.js";
import { form } from "../form.js";
import { count, moment } from "../format.js";
import { noticeError } from "../messages.js";

const day = 86400; // seconds

/** Returns the list of the job's links and the form to create one. refresh reads the job again. */
export function shareSection(id, refresh) {
  const list = h("div", {});
  const what = h("span", {}, "the MP3");
  const created = h("div", { role: "status" });
  const life = field("Valid for", { tag: "select", options: [[7 * day, "7 days"], [day, "a day"], [30 * day, "30 days"], [366 * day, "a year"]] });

  function row(link) {
    const ended = new Date(link.expires) < new Date();
    return h("li", {}, h("code", {}, link.id), ` ${ended ? "expired" : "until"} ${moment(link.expires)}, used ${count(link.uses, "time")} `,
      h("button", { type: "button", "aria-label": `Revoke the link ${link.id}`, onclick: () => revoke(link) }, "Revoke"));
  }

  async function revoke(link) {
    if (!await confirm({ title: "Revoke the link?", text: "Nobody can play or download anything with it any more.", button: "Revoke" })) return;
    try {
      await call("DELETE", jobPath(id, "shares", link.id));
      fill(created);
    } catch (failure) {
      noticeError(failure);
    }
    await refresh();
  }

  const element = h("details", {}, h("summary", {}, "Share with a link"),
    h("p", {}, "Anyone with the link can play and download ", what, " without an account."), list, created,
    form({
      label: "Create a link", button: "Create a link", children: life.element,
      submit: async () => {
        const made = await call("POST", jobPath(id, "shares"), { expires_in: Number(life.control.value) });
        fill(created, h("div", { class: "notice" }, h("div", {},
          h("p", {}, "Copy the link now. It is not shown again."), h("p", {}, h("code", {}, location.origin + made.path)))));
        await refresh();
      },
    }));
  let shown = null;
  return {
    element,
    update({ shares = [], tracks = [] }) {
      if (tracks.length > 1) what.textContent = `all ${tracks.length} MP3s`;
      const now = JSON.stringify(shares);
      if (now === shown) return;
      shown = now;
      fill(list, shares.length > 0 && h("ul", { class: "tokens" }, shares.map(row)));
    },
  };
}
