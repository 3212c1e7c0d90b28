// The page that asks whether to sign in a program, which shows its address and a code.
import { call } from "../api.js";
import { fill, h } from "../dom.js";
import { errorBox } from "../messages.js";
import { current } from "../session.js";

/** Shows the sign-in of a program that waits with the user code. */
export function showDevice({ code }) {
  const content = h("div", {});
  ask(content, `/v1/auth/devices/${encodeURIComponent(code)}`);
  return { title: "Sign in sx", element: h("div", { class: "narrow" }, h("h1", {}, "Sign in sx?"), content) };
}

async function ask(content, path) {
  try {
    const { user_code: code, address } = await call("GET", path);
    const failures = h("div", {});
    const answer = async (approve) => {
      try {
        await call("POST", path, { approve });
        fill(content, h("p", { role: "status" }, approve ? "sx is signed in. Go back to the terminal." : "Nothing is signed in."));
      } catch (failure) {
        fill(failures, errorBox(failure));
      }
    };
    fill(content,
      h("p", {}, "A program wants to use your account ", h("span", { class: "name" }, current().name), ". It shows this code:"),
      h("p", { class: "usercode" }, code),
      h("p", {}, address ? `The program is at the address ${address}.` : "The address of the program is unknown."),
      h("p", {}, "Continue only if you have just run sx login yourself and see the same code there. Otherwise somebody else wants to use your account."),
      failures,
      h("div", { class: "actions" },
        h("button", { type: "button", onclick: () => answer(false) }, "Refuse"),
        h("button", { type: "button", class: "primary", onclick: () => answer(true) }, "Sign in sx")));
  } catch (failure) {
    fill(content, errorBox(failure));
  }
}
