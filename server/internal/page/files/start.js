// Loads the page again, up to three times, if one of its scripts does not arrive, as when the
// network changes meanwhile: browsers do that only for the page itself.
addEventListener("error", ({ target }) => {
  const failures = Number(sessionStorage.getItem("failures"));
  if (target.localName !== "script" || failures === 3) return;
  sessionStorage.setItem("failures", failures + 1);
  setTimeout(() => location.reload(), 1000 * 2 ** failures);
}, true);
