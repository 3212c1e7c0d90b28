// The page to create an account.
import { call } from "../api.js";
import { field, fill, h } from "../dom.js";
import { form } from "../form.js";
import { errorBox } from "../messages.js";
import { go } from "../router.js";
import { register } from "../session.js";
import { newPassword } from "./password.js";

/** Shows the form to register, if the server permits it. */
export function showRegister() {
  const content = h("div", {});
  const element = h("div", { class: "narrow" }, h("h1", {}, "Create an account"), content,
    h("p", {}, h("a", { href: "#/signin" }, "I have an account")));
  load(content);
  return { title: "Create an account", element };
}

async function load(content) {
  try {
    const { mode } = await call("GET", "/v1/auth/register");
    fill(content, mode === "closed"
      ? h("p", {}, "This server accepts no new accounts. Ask its administrator for one.")
      : registration(mode === "invitation"));
  } catch (failure) {
    fill(content, errorBox(failure));
  }
}

function registration(byInvitation) {
  const name = field("Name", { name: "username", autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true },
    "3 to 64 letters, digits and . _ @ + -");
  const password = newPassword("Password");
  const invitation = byInvitation && field("Invitation code", { name: "invitation", autocomplete: "off", spellcheck: "false", required: true },
    "An administrator creates one with sx admin invite.");
  return form({
    label: "Create an account", button: "Create the account",
    children: [name.element, password.element, invitation && invitation.element].filter(Boolean),
    submit: async () => {
      await register(name.control.value, password.control.value, invitation ? invitation.control.value.trim() : "");
      go("/");
    },
  });
}
