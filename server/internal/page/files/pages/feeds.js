// The part of the account page for podcast feeds.
import { call } from "../api.js";
import { confirm } from "../dialog.js";
import { field, fill, h } from "../dom.js";
import { form } from "../form.js";
import { errorBox, noticeError } from "../messages.js";

/** Returns the list of feeds and the form to create one. */
export function feedSection() {
  const list = h("div", {});
  const created = h("div", { role: "status" });
  const name = field("Name of the feed", { autocomplete: "off", required: true, maxlength: "100" }, "Podcast apps show it as the title.");
  const label = field("Only the label", { autocomplete: "off", maxlength: "64" });
  const folder = field("Only the folder", { autocomplete: "off", spellcheck: "false", maxlength: "1000" },
    "Videos in it or below it, such as talks/2026.");

  async function load() {
    try {
      const { feeds } = await call("GET", "/v1/feeds");
      fill(list, feeds.length === 0 ? h("p", {}, "There are no feeds.") : h("ul", { class: "tokens" }, feeds.map(row)));
    } catch (failure) {
      fill(list, errorBox(failure));
    }
  }

  function row(feed) {
    return h("li", {}, h("span", { class: "name" }, feed.name), `: ${shows(feed)} `,
      h("button", { type: "button", "aria-label": `Revoke the feed ${feed.name}`, onclick: () => revoke(feed) }, "Revoke"));
  }

  async function revoke(feed) {
    if (!await confirm({ title: `Revoke ${feed.name}?`, text: "Podcast apps can no longer read the feed, nor play what they have not downloaded.", button: "Revoke" })) return;
    try {
      await call("DELETE", `/v1/feeds/${encodeURIComponent(feed.id)}`);
      fill(created);
    } catch (failure) {
      noticeError(failure);
    }
    await load();
  }

  load();
  return h("div", {}, h("p", {}, "A podcast app with the address of a feed plays your newest MP3s, at most 100, without an account."), list, created,
    form({
      label: "Create a podcast feed", button: "Create a feed", children: h("div", { class: "grid" }, name.element, label.element, folder.element),
      submit: async () => {
        const made = await call("POST", "/v1/feeds", {
          name: name.control.value, label: label.control.value.trim(), folder: folder.control.value.trim(), server: location.origin,
        });
        [name, label, folder].forEach(({ control }) => { control.value = ""; });
        fill(created, h("div", { class: "notice" }, h("div", {},
          h("p", {}, `Copy the address of ${made.name} into a podcast app now. It is not shown again.`), h("p", {}, h("code", {}, made.server + made.path)))));
        await load();
      },
    }));
}

function shows({ label, folder }) {
  if (!label && !folder) return "all MP3s";
  return ["MP3s", label && `with the label ${label}`, folder && `in the folder ${folder}`].filter(Boolean).join(" ");
}
