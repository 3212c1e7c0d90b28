// What administrators see of one job: its state, its reasons and its attempts.
import { call } from "../api.js";
import { fill, h } from "../dom.js";
import { age, moment, size } from "../format.js";
import { errorBox, errorText } from "../messages.js";
import { adminLinks, ownerName } from "./adminnav.js";
import { stateText } from "./jobrow.js";

/** Shows a job of any account. */
export function showAdminJob({ id }) {
  const heading = h("h1", { class: "name" }, "Job");
  const content = h("div", {});
  load(id, heading, content);
  return { title: "Job", element: h("div", {}, heading, adminLinks(""), content) };
}

async function load(id, heading, content) {
  try {
    const { owner, job } = await call("GET", `/v1/admin/jobs/${encodeURIComponent(id)}`);
    heading.textContent = job.name;
    const { queued, ended, attempts } = job.history;
    fill(content,
      h("p", {}, h("span", { class: `state ${job.state}` }, stateText(job))),
      (job.warnings ?? []).map(({ code, message }) =>
        h("div", { class: "warning" }, h("p", {}, h("strong", {}, "Warning: "), message, h("span", { class: "code" }, ` (${code})`)))),
      job.error && h("div", { class: "error" }, errorText(job.error)),
      details([
        ["Account", ownerName(owner)],
        ["ID", h("code", {}, job.id)],
        ["Sent", `${size(job.sent.size)}${job.sent.audio_only ? ", only the audio" : ""}`],
        ["Created", time(job.created)],
        queued && ["Queued", time(queued)],
        ended && ["Ended", time(ended)],
      ]),
      h("h2", {}, "Attempts"), attempts.length === 0 ? h("p", {}, "There are no attempts.") : attempts.map(attemptPart));
  } catch (failure) {
    fill(content, errorBox(failure));
  }
}

function attemptPart({ number, host, started, ended, result, error, messages }) {
  return h("section", { "aria-label": `Attempt ${number}` }, h("h3", {}, `Attempt ${number}`),
    details([
      ["Converter", h("span", { class: "name" }, host ?? "unknown")],
      ["Started", time(started)],
      ended && ["Ended", time(ended)],
      ["Result", result ?? "running"],
      error && ["Error", h("span", { class: "name" }, `${error.message} (${error.code})`)],
    ]),
    messages?.length > 0 && h("details", {}, h("summary", {}, `Messages of attempt ${number}`),
      messages.map((line) => h("p", {}, h("code", {}, line)))));
}

function details(rows) {
  return h("dl", {}, rows.filter(Boolean).map(([term, text]) => h("div", {}, h("dt", {}, term), h("dd", {}, text))));
}

function time(value) {
  return `${moment(value)} (${age(value)})`;
}
