// The page for administrators: invitations and accounts.
import { call, withQuery } from "../api.js";
import { confirm } from "../dialog.js";
import { field, fill, h } from "../dom.js";
import { form } from "../form.js";
import { count, moment, size } from "../format.js";
import { announce, errorBox, noticeError } from "../messages.js";
import { current } from "../session.js";
import { adminLinks } from "./adminnav.js";

const day = 86400; // seconds

/** Shows the administration of accounts. */
export function showAdmin() {
  return {
    title: "Administration",
    element: h("div", {},
      h("h1", {}, "Administration"),
      adminLinks("/admin"),
      h("section", { "aria-labelledby": "invitations" }, h("h2", { id: "invitations" }, "Invite somebody"), invitationForm()),
      h("section", { "aria-labelledby": "accounts" }, h("h2", { id: "accounts" }, "Accounts"), accountList())),
  };
}

function invitationForm() {
  const life = field("Valid for", { tag: "select", options: [[7 * day, "7 days"], [day, "a day"], [30 * day, "30 days"]] });
  const created = h("div", { role: "status" });
  return h("div", {}, created, form({
    label: "Create an invitation", button: "Create an invitation", children: [life.element],
    submit: async () => {
      const made = await call("POST", "/v1/admin/invitations", { expires_in: Number(life.control.value) });
      fill(created, secret("Give this code to the person. It admits one account", made));
    },
  }));
}

// A code that is shown once.
function secret(text, { code, expires }) {
  return h("div", { class: "notice" }, h("div", {},
    h("p", {}, `${text}, until ${moment(expires)}. It is not shown again.`), h("p", {}, h("code", {}, code))));
}

function accountList() {
  const list = h("ul", { class: "accounts" });
  const message = h("div", {});
  let next = "";
  const more = h("button", { type: "button", hidden: true, onclick: () => load() }, "Show more");

  async function load() {
    try {
      const page = await call("GET", withQuery("/v1/admin/users", { after: next }));
      next = page.next ?? "";
      more.hidden = next === "";
      list.append(...page.users.map(accountItem));
    } catch (failure) {
      fill(message, errorBox(failure));
    }
  }

  load();
  return h("div", {}, message, list, more);
}

function accountItem(first) {
  let account = first;
  const path = (...rest) => ["/v1/admin/users", encodeURIComponent(account.name), ...rest].join("/");
  const status = h("span", {});
  const shown = h("div", { role: "status" });
  const toggle = h("button", { type: "button", onclick: act(async () => {
    const changed = await call("POST", path(account.disabled ? "enable" : "disable"));
    show({ ...account, ...changed, disabled: changed.disabled ?? false });
    announce(`The account ${account.name} is ${account.disabled ? "disabled" : "enabled"}.`);
  }) });
  const reset = h("button", { type: "button", "aria-label": `Create a code for a new password of ${account.name}`, onclick: act(async () => {
    fill(shown, secret(`Give this code to ${account.name}. It sets a new password once`, await call("POST", path("reset-password"))));
  }) }, "Code for a new password");
  const remove = h("button", { type: "button", class: "danger", "aria-label": `Delete the account ${account.name}`, onclick: act(async () => {
    const question = { title: `Delete the account ${account.name}?`, text: "All of its jobs, videos and MP3s are deleted. This cannot be undone.", button: "Delete the account" };
    if (!await confirm(question)) return;
    await call("DELETE", path());
    show({ ...account, deleting: true });
    announce(`The account ${account.name} is being deleted.`);
  }) }, "Delete");
  const own = account.name === current().name;
  const limits = h("div", {});
  const element = h("li", {},
    h("p", {}, h("span", { class: "name" }, h("strong", {}, account.name)), " ", status),
    shown, own ? null : h("div", { class: "actions" }, toggle, reset, remove), limits);

  function act(fn) {
    return async () => {
      try {
        await fn();
      } catch (failure) {
        noticeError(failure);
      }
    };
  }

  function show(changed) {
    account = changed;
    const words = [account.admin && "administrator", account.disabled && "disabled", account.deleting && "being deleted", limitText(account.limits)].filter(Boolean);
    status.textContent = words.join(", ");
    toggle.textContent = account.disabled ? "Enable" : "Disable";
    toggle.setAttribute("aria-label", `${toggle.textContent} ${account.name}`);
    for (const button of [toggle, reset, remove]) button.disabled = account.deleting ?? false;
  }

  limits.append(limitForm(account, (body) => call("PATCH", path("limits"), body), show));
  show(account);
  return element;
}

function limitText(limits = {}) {
  const words = [];
  if (limits.bytes !== undefined) words.push(limits.bytes ? size(limits.bytes) : "any number of bytes");
  if (limits.uploads !== undefined) words.push(limits.uploads ? count(limits.uploads, "unfinished upload") : "any number of uploads");
  if (limits.jobs_per_day !== undefined) words.push(limits.jobs_per_day ? `${count(limits.jobs_per_day, "job")} a day` : "any number of jobs a day");
  return words.length > 0 && `limits: ${words.join(", ")}`;
}

// Empty fields mean that the server's own limits apply.
function limitForm({ name, limits = {} }, save, show) {
  const gigabyte = 1e9;
  const bytes = field("Storage in GB", { type: "number", min: 0, step: "any", value: limits.bytes === undefined ? "" : limits.bytes / gigabyte });
  const uploads = field("Unfinished uploads", { type: "number", min: 0, value: limits.uploads ?? "" });
  const jobs = field("Jobs a day", { type: "number", min: 0, value: limits.jobs_per_day ?? "" });
  const fields = { bytes: [bytes, gigabyte], uploads: [uploads, 1], jobs_per_day: [jobs, 1] };
  return h("details", {}, h("summary", {}, `Limits of ${name}`), form({
    label: `Limits of ${name}`, button: "Save the limits",
    children: [h("p", { class: "help" }, "0 is no limit. Where a field is empty, the server's limit applies."),
      h("div", { class: "grid" }, [bytes, uploads, jobs].map((f) => f.element))],
    submit: async () => {
      const body = { reset: [] };
      for (const [limit, [{ control }, unit]] of Object.entries(fields)) {
        if (control.value === "") body.reset.push(limit);
        else body[limit] = Math.round(Number(control.value) * unit);
      }
      show(await save(body));
      announce(`The limits of ${name} are saved.`);
    },
  }));
}
