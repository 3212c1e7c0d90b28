// The options of new jobs, as those of sx convert.
import { checkbox, field, h } from "../dom.js";

const bitrates = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];

/**
 * Returns the fields, a function that returns them as an upload's metadata, and one that says whether
 * files that are added together are joined.
 */
export function encodingOptions() {
  const encoding = field("Encoding", {
    tag: "select", options: [
      ["preset:standard", "standard: variable, about 190 kbit/s"],
      ["preset:speech", "speech: mono, 64 kbit/s"],
      ["preset:high", "high: 320 kbit/s"],
      ["preset:small", "small: 128 kbit/s"],
      ...bitrates.map((rate) => [`bitrate:${rate}`, `constant ${rate} kbit/s`]),
      ...Array.from({ length: 10 }, (_, q) => [`quality:${q}`, `variable, quality ${q}${q === 0 ? " (best)" : q === 9 ? " (smallest)" : ""}`]),
    ],
  });
  const mono = checkbox("Mix down to one channel");
  const track = field("Audio track", { autocomplete: "off", spellcheck: "false", size: 8 }, "A number from 1, or a language such as eng. Otherwise the file's default.");
  const split = field("Split into several MP3s", {
    tag: "select", options: [
      ["", "no: one MP3"],
      ["split_chapters:true", "by chapters"],
      ["split_every:900", "every 15 minutes"],
      ["split_every:1800", "every 30 minutes"],
      ["split_every:3600", "every hour"],
    ],
  });
  const join = checkbox("Make one MP3 of the files that are added together, such as those of a recorder that splits at 4 GB");
  const title = field("Title", { autocomplete: "off", maxlength: 1000 });
  const artist = field("Artist", { autocomplete: "off", maxlength: 1000 });
  const album = field("Album", { autocomplete: "off", maxlength: 1000 });
  const labels = field("Labels", { autocomplete: "off" }, "Separated by commas.");
  const low = checkbox("Let other jobs go first");
  const allTags = checkbox("Keep all tags, including those about the place, time, device and program of the recording");
  const element = h("details", { class: "options" }, h("summary", {}, "Options for new jobs"),
    h("div", { class: "grid" }, [encoding, track, split, title, artist, album, labels].map((f) => f.element)),
    [join, mono, low, allTags].map((f) => f.element));
  return {
    element,
    join: () => join.control.checked,
    metadata() {
      const [kind, value] = encoding.control.value.split(":");
      const [splitBy, splitValue] = split.control.value.split(":");
      const all = {
        [kind]: value,
        mono: mono.control.checked ? "true" : "",
        [splitBy || "split_chapters"]: splitValue ?? "",
        track: track.control.value.trim(),
        title: title.control.value.trim(),
        artist: artist.control.value.trim(),
        album: album.control.value.trim(),
        labels: labels.control.value.split(",").map((label) => label.trim()).filter(Boolean).join(","),
        priority: low.control.checked ? "low" : "",
        keep_all_tags: allTags.control.checked ? "true" : "",
      };
      return Object.fromEntries(Object.entries(all).filter(([, text]) => text !== ""));
    },
  };
}
