// The page of the account: usage, password, tokens and deletion.
import { call } from "../api.js";
import { confirm } from "../dialog.js";
import { field, fill, h } from "../dom.js";
import { form } from "../form.js";
import { period, size } from "../format.js";
import { errorBox, notice } from "../messages.js";
import { leaveFor } from "../organisation.js";
import { go } from "../router.js";
import { changePassword, current, forget, load } from "../session.js";
import { feedSection } from "./feeds.js";
import { newPassword } from "./password.js";
import { tokenSection } from "./tokens.js";

/** Shows the account that is signed in. */
export function showAccount() {
  const usage = h("div", {});
  loadUsage(usage);
  const organisation = h("div", {});
  showOrganisation(organisation);
  const { password } = current();
  return {
    title: "Account",
    element: h("div", {},
      h("h1", {}, "Account ", h("span", { class: "name" }, current().name)),
      h("section", { "aria-labelledby": "usage" }, h("h2", { id: "usage" }, "Usage"), usage),
      password && h("section", { "aria-labelledby": "password" }, h("h2", { id: "password" }, "Change the password"), passwordForm()),
      organisation,
      h("section", { "aria-labelledby": "tokens" }, h("h2", { id: "tokens" }, "Personal tokens"), tokenSection()),
      h("section", { "aria-labelledby": "feeds" }, h("h2", { id: "feeds" }, "Podcast feeds"), feedSection()),
      h("section", { "aria-labelledby": "delete" }, h("h2", { id: "delete" }, "Delete the account"), deletionForm())),
  };
}

async function loadUsage(element) {
  try {
    const { bytes, uploads, today, limits } = await call("GET", "/v1/usage");
    const of = (used, limit, text) => (limit ? `${text(used)} of ${text(limit)}` : `${text(used)}, without a limit`);
    fill(element, h("dl", {},
      pair("Stored videos and MP3s", of(bytes, limits.bytes, size)),
      pair("Unfinished uploads", of(uploads, limits.uploads, String)),
      pair("Jobs today (UTC)", of(today, limits.jobs_per_day, String)),
      pair("Videos are kept", kept(limits.keep_videos, "after their conversion")),
      pair("MP3s are kept", kept(limits.keep_tracks, "")),
      pair("Failed jobs are kept", kept(limits.keep_failed, ""))));
  } catch (failure) {
    fill(element, errorBox(failure));
  }
}

function pair(term, text) {
  return h("div", {}, h("dt", {}, term), h("dd", {}, text));
}

function kept(seconds, after) {
  return seconds ? `${period(seconds)} ${after}`.trim() : "forever";
}

function passwordForm() {
  const old = field("Current password", { type: "password", name: "password", autocomplete: "current-password", required: true });
  const password = newPassword("New password");
  return form({
    label: "Change the password", button: "Change the password",
    children: [h("p", {}, "All other sign-ins of the account end, and personal tokens stay valid."), userName(), old.element, password.element],
    submit: async () => {
      await changePassword(old.control.value, password.control.value);
      old.control.value = "";
      password.control.value = "";
      notice("The password is changed. All other sign-ins have ended.");
    },
  });
}

// Password managers look for the name next to the password.
function userName() {
  return h("input", { type: "text", name: "username", autocomplete: "username", value: current().name, readonly: true, hidden: true });
}

// Links the account with the organisation's sign-in, or ends that.
async function showOrganisation(element) {
  const { linked, password: hasPassword } = current();
  const { organisation } = await call("GET", "/v1/auth/register").catch(() => ({}));
  if (!organisation && !linked) return;
  const password = currentPassword();
  const content = linked && !hasPassword
    ? h("p", {}, "You sign in with your organisation. The account has no password.")
    : linked ? form({
      label: "Organisation", button: "Unlink the account",
      children: [h("p", {}, "You can sign in with your organisation or with the password."), userName(), password.element],
      submit: async () => {
        await call("POST", "/v1/auth/binding/delete", { password: password.control.value });
        await load();
        notice("The account is no longer linked. Sign in with the password.");
        go("/account");
      },
    }) : form({
      label: "Organisation", button: "Link the account",
      children: [h("p", {}, "Once the account is linked, you can sign in with your organisation, too."), userName(), password.element],
      submit: () => leaveFor("/v1/auth/binding/start", "/account", { password: password.control.value }),
    });
  fill(element, h("section", { "aria-labelledby": "organisation" }, h("h2", { id: "organisation" }, "Organisation"), content));
}

function currentPassword() {
  return field("Password", { type: "password", name: "password", autocomplete: "current-password", required: true });
}

function deletionForm() {
  const { password: hasPassword } = current();
  const password = currentPassword();
  return form({
    label: "Delete the account", button: "Delete the account", danger: true,
    children: [h("p", {}, "All jobs, videos and MP3s of the account are deleted. This cannot be undone."),
      hasPassword ? [userName(), password.element] : h("p", {}, "You must have signed in less than ten minutes ago.")].flat(),
    submit: async () => {
      const { name } = current();
      if (!await confirm({ title: `Delete the account ${name}?`, text: "All of its jobs, videos and MP3s are deleted. This cannot be undone.", button: "Delete the account" })) return;
      await call("POST", "/v1/auth/delete", { password: password.control.value });
      forget();
      notice(`The account ${name} is being deleted.`);
      go("/signin");
    },
  });
}
