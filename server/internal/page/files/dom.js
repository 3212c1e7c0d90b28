// Elements are built from attributes and text. Text never becomes HTML.

/**
 * Returns a new element. Attributes whose name begins with "on" are event listeners; null,
 * undefined and false leave an attribute out. Children are elements or texts; null and false
 * are left out.
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" && "value" in element && tag !== "progress" && tag !== "option") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Replaces all children of an element. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
}

let ids = 0;

/** Returns an ID that no other element has. */
export function newID() {
  ids += 1;
  return `e${ids}`;
}

/** Returns a labelled control: its input and the element that contains both. */
export function field(label, attributes = {}, help = "") {
  const id = newID();
  const { tag = "input", options = [], ...rest } = attributes;
  const control = h(tag, { id, "aria-describedby": help ? `${id}-help` : null, ...rest },
    options.map(([value, text]) => h("option", { value }, text)));
  const element = h("div", { class: "field" },
    h("label", { for: id }, label), control, help && h("p", { class: "help", id: `${id}-help` }, help));
  return { control, element };
}

/** Returns a labelled checkbox, as field does. */
export function checkbox(label, attributes = {}) {
  const id = newID();
  const control = h("input", { type: "checkbox", id, ...attributes });
  return { control, element: h("div", { class: "check" }, control, h("label", { for: id }, label)) };
}
