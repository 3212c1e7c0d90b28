// The list of notifications that were sent or are to be sent.
import { h } from "../dom.js";
import { age, count, moment } from "../format.js";
import { table } from "../table.js";

const colours = { delivered: "done", failed: "failed" }; // as the states of jobs

/** Returns the table of deliveries. */
export function deliveryTable(list) {
  return table("Deliveries, newest first", ["Event", "To", "State", "Created", "Details"], list.map((delivery) => [
    delivery.event,
    h("span", { class: "name" }, delivery.target),
    h("span", { class: `state ${colours[delivery.state] ?? ""}` }, delivery.state),
    h("time", { datetime: delivery.created, title: moment(delivery.created) }, age(delivery.created)),
    details(delivery),
  ]));
}

function details({ state, tries, last_error: error, next_try: next }) {
  const words = [tries > 1 && count(tries, "attempt"), error, state === "pending" && error && next && `next attempt ${age(next)}`];
  const text = words.filter(Boolean).join("; ");
  return text && h("span", { class: "name" }, text);
}
