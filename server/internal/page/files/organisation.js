// The sign-in through the organisation. The browser goes to its provider, which sends it back
// to the page with a code in the query. A cookie that scripts cannot read binds the code to
// this browser.
import { call } from "./api.js";
import { h } from "./dom.js";
import { form } from "./form.js";
import { notice, noticeError } from "./messages.js";
import { load } from "./session.js";

const stored = "organisation-to"; // the page to show afterwards

/** Goes to the provider; to is the page to show afterwards. */
export async function leaveFor(path, to, body) {
  const { url } = await call("POST", path, body);
  if (!/^https?:/.test(url)) return;
  sessionStorage.setItem(stored, to);
  location.assign(url);
}

/** Returns the button that signs in; to is the page to show afterwards. */
export function organisationButton(to) {
  return form({
    label: "Organisation", button: "Sign in with your organisation", children: [],
    submit: () => leaveFor("/v1/auth/oidc/start", to),
  });
}

/** Returns what the provider has added to the address, and removes it from there and from the history. */
export function takeResponse() {
  const query = new URLSearchParams(location.search);
  if (!query.has("state")) return null;
  const to = sessionStorage.getItem(stored) ?? "/";
  sessionStorage.removeItem(stored);
  history.replaceState(null, "", `/#${to}`);
  return { code: query.get("code") ?? "", state: query.get("state"), iss: query.get("iss") ?? "", error: query.get("error") };
}

/** Finishes what was started with leaveFor. */
export async function finish({ error, ...response }) {
  const link = response.state.startsWith("l");
  try {
    if (error !== null) {
      // Any link could contain another text.
      const code = /^[a-z_]{1,40}$/.test(error) ? error : "error";
      notice(h("p", {}, "Your organisation's sign-in ended without a result. ", h("span", { class: "code" }, `(${code})`)), { failed: true });
    } else if (link) {
      await call("POST", "/v1/auth/binding", response);
      notice("The account is linked. From now on you can sign in with your organisation.");
    } else {
      await call("POST", "/v1/auth/oidc", response);
    }
  } catch (failure) {
    noticeError(failure);
  }
  await load();
}
