package id3

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// reportedTag is a tag in ffprobe's report.
type reportedTag struct {
	name     string // as reported
	language string // of names such as title-eng
	value    string
}

var (
	suffixed   = regexp.MustCompile(`^(.+)-([a-z]{3})$`)
	frameNames = regexp.MustCompile(`^[TW][A-Z0-9]{3}$`) // ffprobe reports frames that it does not know by their IDs
)

// onlyID3 are the demuxers whose formats have no tags but ID3, on which ffprobe's report
// can say nothing that Read did not find.
var onlyID3 = map[string]bool{"aac": true, "ac3": true, "dsf": true, "dts": true, "eac3": true, "mp3": true}

// reported adds the tags of ffprobe's report.
func (c *collector) reported(maps []map[string]string) {
	if onlyID3[c.src.Demuxer] && len(c.src.Own.Frames) > 0 {
		return
	}
	byName := map[string][]reportedTag{} // by normalized name
	var rest []reportedTag
	for _, m := range maps {
		for _, name := range sortedKeys(m) {
			t := reportedTag{name: name, value: m[name]}
			key := normalize(name)
			if parts := suffixed.FindStringSubmatch(name); parts != nil && ruleOf[key] == nil && ruleOf[normalize(parts[1])] != nil {
				key, t.language = normalize(parts[1]), parts[2]
			}
			switch {
			case frameNames.MatchString(name) && frameOf[name] != nil:
				key = frameOf[name].names[0]
				byName[key] = append(byName[key], t)
			case ruleOf[key] != nil || isTotal[key]:
				byName[key] = append(byName[key], t)
			default:
				rest = append(rest, t)
			}
		}
	}
	for i := range rules {
		c.apply(&rules[i], byName)
	}
	for _, t := range rest {
		if !strings.HasPrefix(t.name, "id3v2_priv.") {
			c.other(t.name, []string{t.value})
		}
	}
}

// apply applies one rule to the reported tags. What a synonym adds is kept under its
// own name.
func (c *collector) apply(r *rule, byName map[string][]reportedTag) {
	if c.fromOwn[r.frame().subject()] {
		return
	}
	total := ""
	for _, name := range r.totals {
		for _, t := range byName[name] {
			total = cmp.Or(total, t.value)
		}
	}
	for _, name := range r.names {
		tags := byName[name]
		slices.SortStableFunc(tags, func(a, b reportedTag) int {
			plainFirst := cmp.Compare(b2i(a.language != ""), b2i(b.language != ""))
			if r.kind == comment || r.kind == lyrics {
				return -plainFirst // the frames have a language, and the tags with one say more
			}
			return plainFirst
		})
		for i, t := range tags {
			if c.set(r, t.language, c.split(r, t.value), total) || i > 0 {
				continue
			}
			switch r.kind {
			case line, list, genre, link, user:
				c.add(Frame{ID: "TXXX", Description: strings.ToUpper(name), Values: []string{cleanLine(t.value)}}, maxLine)
			}
		}
	}
}

// split returns the values in a reported value. Of Vorbis comments with the same name,
// ffmpeg makes one value, separated by semicolons.
func (c *collector) split(r *rule, value string) []string {
	if r.kind == date {
		value = cleanDay(value)
	}
	several := r.kind == list || r.kind == genre || r.kind == role || r.id == "ARTISTS"
	if several && (c.src.Demuxer == "ogg" || c.src.Demuxer == "flac") {
		return strings.Split(value, ";")
	}
	return []string{value}
}

// isTotal has the names of all totals.
var isTotal = map[string]bool{}

func init() {
	for _, r := range rules {
		for _, name := range r.totals {
			isTotal[name] = true
		}
	}
}
