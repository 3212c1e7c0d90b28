// Numbers and times as sx shows them.

/** Returns a size in bytes as text, such as "1.5 MB", with a space that does not break. */
export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 9.95 && unit > 0 ? value.toFixed(1) : Math.round(value)}\u00a0${units[unit]}`;
}

/** Returns a duration in seconds as text, such as "1:02:03". */
export function clock(seconds) {
  const s = Math.max(0, Math.round(seconds));
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(s / 3600);
  const rest = `${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  return hours ? `${hours}:${rest}` : rest.replace(/^0(?=\d:)/, "");
}

/** Returns a place in a recording, to the millisecond, such as "1:02:03.5". */
export function position(seconds) {
  const ms = Math.round(seconds * 1000);
  const fraction = String(ms % 1000).padStart(3, "0").replace(/0+$/, "");
  return clock(Math.floor(ms / 1000)) + (fraction && `.${fraction}`);
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const spans = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60]];

/** Returns how long ago or ahead a time is, such as "5 minutes ago". */
export function age(time) {
  const seconds = (new Date(time) - Date.now()) / 1000;
  for (const [unit, span] of spans) {
    if (Math.abs(seconds) >= span) return relative.format(Math.trunc(seconds / span), unit);
  }
  return seconds > 0 ? "in less than a minute" : "just now";
}

const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** Returns a time as text, in the browser's time zone. */
export function moment(time) {
  return full.format(new Date(time));
}

/** Returns a number with its noun, such as "1 job" or "2 jobs". */
export function count(n, noun) {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/** Returns a period in seconds as text, such as "7 days". */
export function period(seconds) {
  if (seconds === 0) return "forever";
  for (const [unit, span] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (seconds % span === 0) return count(seconds / span, unit);
  }
  return count(seconds, "second");
}
