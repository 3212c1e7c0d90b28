// The page for those who are not signed in.
import { call } from "../api.js";
import { field, fill, h } from "../dom.js";
import { form } from "../form.js";
import { isLocal } from "../local.js";
import { organisationButton } from "../organisation.js";
import { currentQuery, go } from "../router.js";
import { signIn } from "../session.js";

/** Shows the form to sign in. */
export function showSignIn() {
  const name = field("Name", { name: "username", autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true });
  const password = field("Password", { type: "password", name: "password", autocomplete: "current-password", required: true });
  const more = h("div", { class: "more" });
  const ways = h("div", {}, form({
    label: "Sign in", button: "Sign in", children: [name.element, password.element],
    submit: async () => {
      await signIn(name.control.value, password.control.value);
      go(target());
    },
  }));
  offer(ways, more);
  return { title: "Sign in", element: h("div", { class: "narrow" }, h("h1", {}, "Sign in"), ways, more) };
}

// The page that was asked for before the sign-in: always one of this page's own.
function target() {
  const path = currentQuery().get("to") ?? "/";
  return path.startsWith("/") ? path : "/";
}

// Shows what the server offers.
async function offer(ways, more) {
  fill(more, recovery(), local());
  const { mode, passwords, organisation, sign_out_url: signOut } = await call("GET", "/v1/auth/register")
    .catch(() => ({ mode: "closed", passwords: true }));
  if (!passwords) {
    fill(ways, h("details", {}, h("summary", {}, "Sign in with the operator's password"), ways.firstElementChild));
  }
  if (organisation) ways.prepend(organisationButton(target()));
  fill(more,
    passwords && mode !== "closed" && h("p", {}, h("a", { href: "#/register" },
      mode === "open" ? "Create an account" : "Create an account with an invitation")),
    passwords && recovery(),
    signOut && currentQuery().has("out") && h("p", {}, h("a", { href: signOut }, "Sign out of your organisation, too")),
    local());
}

function recovery() {
  return h("p", {}, h("a", { href: "#/recover" }, "I have a code for a new password"));
}

function local() {
  if (!isLocal()) return null;
  return h("p", {}, "This server may be your own, on this machine. Then run ", h("code", {}, "sx open"),
    " in a terminal: it opens this page without a password.");
}
