// The start of the page: who is signed in, and which page is shown.
import { onSignedOut } from "./api.js";
import { confirm } from "./dialog.js";
import { fill, h } from "./dom.js";
import { startEvents } from "./events.js";
import { isLocal } from "./local.js";
import { errorBox, noticeError } from "./messages.js";
import { finish, takeResponse } from "./organisation.js";
import { showAccount } from "./pages/account.js";
import { showAdmin } from "./pages/admin.js";
import { showAdminJob } from "./pages/adminjob.js";
import { showAdminJobs } from "./pages/adminjobs.js";
import { showAdminWork } from "./pages/adminwork.js";
import { showDevice } from "./pages/device.js";
import { showJob } from "./pages/job.js";
import { showJobs } from "./pages/jobs.js";
import { showMissing } from "./pages/missing.js";
import { showNotifications } from "./pages/notifications.js";
import { showRecover } from "./pages/password.js";
import { showRegister } from "./pages/register.js";
import { showSignIn } from "./pages/signin.js";
import { currentPath, go, route, setGuard, showCurrent, startRouter } from "./router.js";
import { current, forget, load, onOtherAccount, redeem, signOut } from "./session.js";
import { busy, restore, stopAll } from "./upload/queue.js";

const publicPages = ["/signin", "/register", "/recover"];

route("/", showJobs);
route("/jobs/:id", showJob);
route("/account", showAccount);
route("/device/:code", showDevice);
route("/notifications", showNotifications);
route("/admin", showAdmin);
route("/admin/jobs", showAdminJobs);
route("/admin/jobs/:id", showAdminJob);
route("/admin/work", showAdminWork);
route("/signin", showSignIn);
route("/register", showRegister);
route("/recover", showRecover);
route("/missing", showMissing);

let restored = ""; // the account whose uploads are listed

setGuard((path) => {
  showNavigation();
  if (!current()) {
    restored = "";
    return publicPages.includes(path) ? null : `/signin${path === "/" ? "" : `?to=${encodeURIComponent(path)}`}`;
  }
  if (restored !== current().name) {
    restored = current().name;
    restore(restored);
  }
  return publicPages.includes(path) ? "/" : null;
});

function showNavigation() {
  const user = current();
  fill(document.getElementById("nav"), user && h("ul", {},
    h("li", {}, h("a", { href: "#/" }, "Jobs")),
    h("li", {}, h("a", { href: "#/account" }, "Account")),
    h("li", {}, h("a", { href: "#/notifications" }, "Notifications")),
    user.admin && h("li", {}, h("a", { href: "#/admin" }, "Administration")),
    h("li", {}, h("button", { type: "button", class: "quiet", onclick: leave }, "Sign out"))));
}

async function leave() {
  try {
    await signOut();
  } catch (failure) {
    noticeError(failure);
    return;
  }
  stopAll();
  go("/signin?out");
}

onOtherAccount(() => {
  stopAll();
  location.reload();
});

onSignedOut(() => {
  if (!current()) return;
  forget();
  go(`/signin?to=${encodeURIComponent(currentPath())}`);
});

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the fragment is the page's address
  document.getElementById("main").focus();
});

window.addEventListener("beforeunload", (event) => {
  if (busy()) event.preventDefault(); // the browser asks
});

// sx open puts its code into the fragment, which is never sent to a server. It is removed
// from the address and the history before anything else.
function takeCode() {
  const code = /^#open=(.+)$/.exec(location.hash)?.[1];
  if (code) history.replaceState(null, "", "#/");
  return code;
}

async function redeemCode(code) {
  // Otherwise a link could sign in a person to somebody else's account without a word.
  if (!isLocal() && !await confirm({
    title: "Sign in with sx open?",
    text: "Continue only if you have just run sx open yourself. Otherwise somebody else wants you to use their account.",
    keep: "Cancel", button: "Sign in", danger: false,
  })) return false;
  try {
    await redeem(code);
    return true;
  } catch (failure) {
    if (failure.code !== "bad_credentials") throw failure;
    noticeError(failure);
    return false;
  }
}

async function start() {
  sessionStorage.removeItem("failures"); // of start.js: the scripts have arrived
  try {
    const response = takeResponse();
    const code = response ? null : takeCode();
    if (response) await finish(response);
    else if (!code || !await redeemCode(code)) await load();
  } catch (failure) {
    fill(document.getElementById("main"), h("h1", {}, "SoundExtract"), errorBox(failure),
      h("button", { type: "button", onclick: start }, "Try again"));
    return;
  }
  startEvents();
  startRouter();
  showCurrent({ focus: false });
}

start();
