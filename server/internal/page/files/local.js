// Whether the server is on the same machine as the browser.

/** Reports whether the page was opened at an address of this machine. */
export function isLocal() {
  return /^(localhost|127(\.\d+){3}|\[::1\]|.*\.localhost)$/.test(location.hostname);
}
