// The page of notifications: the mail address, the webhooks, and what was sent.
import { call, withQuery } from "../api.js";
import { confirm } from "../dialog.js";
import { field, fill, h } from "../dom.js";
import { form } from "../form.js";
import { announce, errorBox, noticeError } from "../messages.js";
import { deliveryTable } from "./deliveries.js";

const shownDeliveries = 30;
const testInterval = 1000; // ms between two requests for the deliveries of a test
const testTimeout = 30000; // ms

/** Shows the notification settings of the account. */
export function showNotifications() {
  const email = h("div", {});
  const webhooks = h("div", {});
  const created = h("div", { role: "status" });
  const deliveries = h("div", {});
  let timer = 0;
  let left = false;

  async function load() {
    try {
      show(await call("GET", "/v1/notify"));
    } catch (failure) {
      fill(email, errorBox(failure));
    }
  }

  function show(settings) {
    fill(email, emailPart(settings, { show, change }));
    fill(webhooks, webhookList(settings.webhooks, change));
  }

  // Makes a request without a response body, and shows the resulting settings.
  async function change(method, path) {
    try {
      await call(method, path);
    } catch (failure) {
      noticeError(failure);
    }
    await load();
  }

  async function loadDeliveries() {
    const { deliveries: list } = await call("GET", withQuery("/v1/notify/deliveries", { limit: shownDeliveries }));
    if (!left) fill(deliveries, list.length === 0 ? h("p", {}, "There are no deliveries.") : deliveryTable(list));
    return list;
  }

  async function test() {
    const { deliveries: sent } = await call("POST", "/v1/notify/test");
    const ids = new Set(sent.map(({ id }) => id));
    const end = Date.now() + testTimeout;
    clearTimeout(timer);
    const look = async () => {
      const tried = (await loadDeliveries()).filter(({ id, state, last_error: error }) => ids.has(id) && (state !== "pending" || error));
      if (left) return;
      if (tried.length < ids.size && Date.now() < end) {
        timer = setTimeout(() => look().catch(noticeError), testInterval);
        return;
      }
      announce(`${tried.filter(({ state }) => state === "delivered").length} of ${ids.size} test notifications delivered.`);
    };
    await look();
  }

  const url = field("URL", { type: "url", name: "url", autocomplete: "off", required: true });
  load();
  loadDeliveries().catch((failure) => fill(deliveries, errorBox(failure)));
  return {
    title: "Notifications",
    element: h("div", {},
      h("h1", {}, "Notifications"),
      h("p", {}, "Notifications are sent when a job is done or has failed, and before jobs are deleted."),
      h("section", { "aria-labelledby": "email" }, h("h2", { id: "email" }, "E-mail"), email),
      h("section", { "aria-labelledby": "webhooks" }, h("h2", { id: "webhooks" }, "Webhooks"), webhooks, created,
        form({
          label: "Add a webhook", button: "Add a webhook", children: [url.element],
          submit: async () => {
            const { url: address, secret } = await call("POST", "/v1/notify/webhooks", { url: url.control.value.trim() });
            url.control.value = "";
            fill(created, h("div", { class: "notice" }, h("div", {},
              h("p", {}, "Requests to ", h("span", { class: "name" }, address), " are signed with this secret. Copy it now. It is not shown again."),
              h("p", {}, h("code", {}, secret)))));
            await load();
          },
        })),
      h("section", { "aria-labelledby": "deliveries" }, h("h2", { id: "deliveries" }, "Deliveries"),
        form({ label: "Test the notifications", button: "Send a test", children: [], submit: test }), deliveries)),
    leave() {
      left = true;
      clearTimeout(timer);
    },
  };
}

function emailPart({ email, pending_email: pending, sends_email: sends }, { show, change }) {
  if (!sends && !email) return h("p", {}, "This server does not send e-mail.");
  const address = field(email ? "New address" : "Address", { type: "email", name: "email", autocomplete: "email", required: true });
  return [
    h("p", {}, email ? ["Notifications go to ", h("span", { class: "name" }, email), "."] : "No notifications are sent by e-mail."),
    pending && confirmation(pending, show),
    form({
      label: "Set the e-mail address", button: "Send a code", children: [address.element],
      submit: async () => show(await call("PUT", "/v1/notify/email", { address: address.control.value.trim() })),
    }),
    (email || pending) && h("div", { class: "actions" },
      h("button", { type: "button", onclick: () => change("DELETE", "/v1/notify/email") }, "Remove the address")),
  ];
}

function confirmation(pending, show) {
  const code = field("Code from the e-mail", { name: "code", autocomplete: "one-time-code", inputmode: "numeric", required: true });
  return h("div", {}, h("p", {}, "A code was sent to ", h("span", { class: "name" }, pending), ". It is valid for an hour."), form({
    label: "Confirm the e-mail address", button: "Confirm the address", children: [code.element],
    submit: async () => {
      show(await call("POST", "/v1/notify/email/confirm", { code: code.control.value.trim() }));
      announce("The address is confirmed.");
    },
  }));
}

function webhookList(webhooks, change) {
  if (webhooks.length === 0) return h("p", {}, "There are no webhooks.");
  return h("ul", { class: "tokens" }, webhooks.map(({ id, url, disabled }) => h("li", {},
    h("span", { class: "name" }, url), disabled ? " disabled: the receiver responded 410 Gone " : " ",
    h("button", {
      type: "button", "aria-label": `Remove ${url}`, onclick: async () => {
        const question = { title: "Remove the webhook?", text: `No more requests are sent to ${url}.`, button: "Remove" };
        if (await confirm(question)) await change("DELETE", `/v1/notify/webhooks/${encodeURIComponent(id)}`);
      },
    }, "Remove"))));
}
