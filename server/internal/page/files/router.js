// Pages are addressed by the URL's fragment, so that uploads go on while the person moves
// between them.

const routes = [];
let leave = () => {};

/** Adds a page: a pattern such as "/jobs/:id", and a function that shows it. */
export function route(pattern, show) {
  const expression = new RegExp(`^${pattern.replace(/:(\w+)/g, "(?<$1>[^/]+)")}$`);
  routes.push({ expression, show });
}

/** Goes to a page. */
export function go(path) {
  if (location.hash === `#${path}`) showCurrent();
  else location.hash = path;
}

/** Returns the path of the current page. */
export function currentPath() {
  return location.hash.slice(1).split("?")[0] || "/";
}

/** Returns the query of the current page, which is behind its path in the fragment. */
export function currentQuery() {
  return new URLSearchParams(location.hash.split("?")[1] ?? "");
}

/** Changes the query of the current page without showing the page again. */
export function setQuery(params) {
  const text = params.toString();
  history.replaceState(null, "", `#${currentPath()}${text ? `?${text}` : ""}`);
}

let guard = () => null;

/** Sets a function that may return another path in place of the one that was asked for. */
export function setGuard(fn) {
  guard = fn;
}

/** Shows the page of the current address, and moves the focus to its heading. */
export function showCurrent({ focus = true } = {}) {
  const other = guard(currentPath());
  if (other !== null) {
    history.replaceState(null, "", `#${other}`);
  }
  const path = currentPath();
  const found = routes.find(({ expression }) => expression.test(path)) ?? routes.find(({ expression }) => expression.test("/missing"));
  leave();
  leave = () => {};
  const main = document.getElementById("main");
  const view = found.show({ ...found.expression.exec(path)?.groups });
  leave = view.leave ?? leave;
  main.replaceChildren(view.element);
  document.title = `${view.title} – SoundExtract`;
  document.querySelectorAll("#nav a").forEach((link) => {
    if (link.getAttribute("href") === `#${path}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  });
  if (focus) {
    const heading = main.querySelector("h1");
    heading?.setAttribute("tabindex", "-1");
    heading?.focus();
  }
}

/** Shows pages from now on. */
export function startRouter() {
  window.addEventListener("hashchange", () => showCurrent());
}
