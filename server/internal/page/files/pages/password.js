// New passwords: the field for one, and the page for those who have forgotten theirs.
import { field, h } from "../dom.js";
import { form } from "../form.js";
import { go } from "../router.js";
import { recover } from "../session.js";

/** Returns the field for a new password. */
export function newPassword(label) {
  return field(label, { type: "password", name: "new-password", autocomplete: "new-password", minlength: 8, required: true },
    "At least 8 characters. Four unrelated words make a good one.");
}

/** Shows the form that sets a new password with an administrator's code. */
export function showRecover() {
  const code = field("Code", { name: "code", autocomplete: "one-time-code", spellcheck: "false", required: true },
    "An administrator creates one with sx admin reset-password.");
  const password = newPassword("New password");
  return {
    title: "Set a new password",
    element: h("div", { class: "narrow" },
      h("h1", {}, "Set a new password"),
      form({
        label: "Set a new password", button: "Set the password", children: [code.element, password.element],
        submit: async () => {
          await recover(code.control.value.trim(), password.control.value);
          go("/");
        },
      }),
      h("p", {}, h("a", { href: "#/signin" }, "I know my password"))),
  };
}
