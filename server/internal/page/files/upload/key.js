// Random keys of uploads.

/** Returns a new key. */
export function newKey() {
  const random = crypto.getRandomValues(new Uint8Array(16)); // randomUUID needs a secure context
  return Array.from(random, (b) => b.toString(16).padStart(2, "0")).join("");
}
