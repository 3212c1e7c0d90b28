package id3

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Frame is a frame of a tag in terms of ID3v2.4, or a user-defined text with the name
// of a container's tag.
type Frame struct {
	ID          string
	Language    string // COMM, USLT: ISO 639-2 code, "" if unknown
	Description string // COMM, USLT, TXXX, WXXX; the owner in UFID
	Values      []string
	Data        []byte // the body of a frame without Values
}

// subject is what all frames of the same meaning have in common.
func (f Frame) subject() string {
	if f.ID == "TXXX" {
		return f.ID + "\x00" + strings.ToLower(f.Description)
	}
	return f.ID
}

// key is what at most one frame of a tag may have.
func (f Frame) key() string {
	return f.ID + "\x00" + f.Language + "\x00" + strings.ToLower(f.Description)
}

// collector collects the frames of a tag. The first frame of a kind wins.
type collector struct {
	src     Source
	keepAll bool
	frames  map[string]Frame // by key
	settled map[string]bool  // what the source's own tag says, by subject
	cut     bool             // a value was shortened
}

func newCollector(src Source, keepAll bool) *collector {
	return &collector{src: src, keepAll: keepAll, frames: map[string]Frame{}, settled: map[string]bool{}}
}

// sorted returns the frames in the order of the tag.
func (c *collector) sorted() []Frame {
	frames := slices.Collect(maps.Values(c.frames))
	place := func(f Frame) int {
		if i, ok := position[f.ID]; ok {
			return i
		}
		return len(rules) + len(position)
	}
	slices.SortFunc(frames, func(a, b Frame) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a.key(), b.key()))
	})
	return frames
}

// add adds a frame unless it is empty or there is one already. Values must be clean.
func (c *collector) add(f Frame, size int) bool {
	f.Values = slices.Clone(f.Values)
	for i, v := range f.Values {
		f.Values[i] = c.shorten(v, size)
	}
	f.Values = slices.DeleteFunc(f.Values, func(v string) bool { return v == "" })
	if len(f.Values) > maxValues {
		f.Values, c.cut = f.Values[:maxValues], true
	}
	f.Description = c.shorten(f.Description, maxName)
	if len(f.Values) == 0 && len(f.Data) == 0 {
		return false
	}
	if _, ok := c.frames[f.key()]; ok {
		return false
	}
	c.frames[f.key()] = f
	return true
}

func (c *collector) shorten(s string, size int) string {
	short := shorten(s, size)
	c.cut = c.cut || short != s
	return short
}

func (c *collector) has(id string) bool {
	for _, f := range c.frames {
		if f.ID == id && f.Description == "" {
			return true
		}
	}
	return false
}

// set adds the frame that a rule makes of values. It reports whether they are in the
// tag now, or cannot be.
func (c *collector) set(r *rule, language string, values []string, total string) bool {
	f := r.frame()
	f.Values = each(values, cleanLine)
	switch r.kind {
	case genre:
		f.Values = genres(f.Values)
	case date:
		f.Values = each(values, cleanDate)[:1]
	case number:
		f.Values = []string{cleanNumber(f.Values[0], total)}
	case beats:
		f.Values = []string{cleanBeats(f.Values[0])}
	case lang:
		f.Values = unique(each(values, cleanLanguage))
	case flag, podcast:
		if !isTrue(f.Values[0]) {
			return true
		}
		f.Values = []string{"1"}
		if r.kind == podcast {
			f.Values, f.Data = nil, make([]byte, 4) // as iTunes writes it
		}
	case link:
		f.Values = []string{cleanLink(f.Values[0])}
		if f.Values[0] == "" { // a text, such as the name of a license
			f = Frame{ID: "TXXX", Description: strings.ToUpper(r.names[0]), Values: each(values, cleanLine)}
		}
	case comment, lyrics:
		return c.setText(r, language, strings.Join(each(values, cleanText), "\n"))
	case role:
		return c.credit(r.id, f.Values)
	case gain:
		if !c.src.Copied {
			return true
		}
	}
	if c.add(f, maxLine) {
		return true
	}
	old, ok := c.frames[f.key()]
	return ok && slices.Equal(old.Values, f.Values)
}

// setText adds a comment or lyrics. A text that is there already is not repeated, and a
// description of the work is its comment if it has no other.
func (c *collector) setText(r *rule, language, text string) bool {
	f := r.frame()
	f.Language, f.Values = cleanLanguage(language), []string{text}
	short := shorten(text, maxText)
	for _, other := range c.frames {
		if other.ID == f.ID && slices.Equal(other.Values, []string{short}) {
			return true
		}
	}
	if f.ID == "COMM" && f.Description != "" && !c.has("COMM") {
		f.Description = ""
	}
	return c.add(f, maxText)
}

// credit adds people to TIPL, whose values are pairs of an involvement and a name.
func (c *collector) credit(involvement string, names []string) bool {
	f := Frame{ID: "TIPL"}
	if old, ok := c.frames[f.key()]; ok {
		f = old
	}
	for _, name := range names {
		pair := slices.Index(f.Values, name)
		if name == "" || pair > 0 && f.Values[pair-1] == involvement {
			continue
		}
		if len(f.Values)+2 > maxValues {
			c.cut = true
			return true
		}
		f.Values = append(slices.Clone(f.Values), involvement, c.shorten(name, maxLine))
	}
	if len(f.Values) > 0 {
		c.frames[f.key()] = f
	}
	return true
}

// own adds the frames of the source's own tag.
func (c *collector) own(t Tag) {
	for _, f := range t.Frames {
		c.ownFrame(f)
	}
	for _, f := range c.frames {
		c.settled[f.subject()] = true
	}
}

func (c *collector) ownFrame(f Frame) {
	f.Description = cleanLine(f.Description)
	r := frameOf[f.ID]
	switch {
	case f.ID == "PCST":
		c.set(r, "", []string{"1"}, "")
	case r != nil && len(f.Values) > 0:
		c.set(r, "", f.Values, "")
	case f.ID == "TXXX" && len(f.Values) > 0:
		r := frameOf[f.Description] // as ffmpeg writes the frames that it does not know
		if r == nil {
			r = ruleOf[normalize(f.Description)]
		}
		if r != nil {
			c.set(r, "", f.Values, "")
		} else {
			c.other(f.Description, f.Values)
		}
	case (f.ID == "COMM" || f.ID == "USLT") && len(f.Values) > 0:
		if strings.HasPrefix(f.Description, "iTun") {
			c.other(f.Description, f.Values)
			return
		}
		f.Language, f.Values = cleanLanguage(f.Language), each(f.Values, cleanText)
		c.add(f, maxText)
	case f.ID == "WXXX" && len(f.Values) > 0:
		f.Values = each(f.Values, cleanLink)[:1]
		c.add(f, maxLine)
	case f.ID == "TIPL", f.ID == "TMCL":
		// The values are pairs, so that none may be left out alone.
		f.Values = each(f.Values[:min(len(f.Values), maxValues)&^1], cleanLine)
		if !slices.Contains(f.Values, "") {
			c.add(f, maxLine)
		}
	case f.ID == "UFID" && f.Description == musicBrainz:
		c.add(f, maxLine)
	case c.keepAll && len(f.Data) > 0 && len(f.Data) <= maxText && !outdated[f.ID]:
		f.Values = nil
		c.add(f, maxLine)
	case c.keepAll && len(f.Values) > 0 && !outdated[f.ID]:
		f.Values = each(f.Values, cleanLine)
		if f.ID[0] == 'W' {
			f.Values = each(f.Values, cleanLink)[:1]
		}
		c.add(f, maxLine)
	}
}

// other adds a tag that is not on the list, if all tags are kept.
func (c *collector) other(name string, values []string) {
	name = cleanLine(name)
	if !c.keepAll || name == "" || misleading[normalize(name)] && !c.src.Copied {
		return
	}
	c.add(Frame{ID: "TXXX", Description: name, Values: each(values, cleanText)}, maxText)
}

// reportedTag is a tag in ffprobe's report.
type reportedTag struct {
	name     string // as reported
	language string // of names such as title-eng
	value    string
}

var (
	suffixed    = regexp.MustCompile(`^(.+)-([a-z]{3})$`)
	frameNames  = regexp.MustCompile(`^[TW][A-Z0-9]{3}$`) // ffprobe reports frames that it does not know by their IDs
	privateName = regexp.MustCompile(`^id3v2_priv\.`)
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
		if !privateName.MatchString(t.name) {
			c.other(t.name, []string{t.value})
		}
	}
}

// apply applies one rule to the reported tags. What a synonym adds is kept under its
// own name.
func (c *collector) apply(r *rule, byName map[string][]reportedTag) {
	if c.settled[r.frame().subject()] {
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

// finish completes the frames by what follows from others.
func (c *collector) finish(language string) {
	if !c.has("TLAN") {
		c.add(Frame{ID: "TLAN", Values: []string{cleanLanguage(language)}}, maxLine)
	}
	// Players show the year of TDRC.
	if released, ok := c.frames[Frame{ID: "TDRL"}.key()]; ok {
		c.add(Frame{ID: "TDRC", Values: released.Values}, maxLine)
	}
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

// each applies clean to all values.
func each(values []string, clean func(string) string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = clean(v)
	}
	return out
}

func unique(values []string) []string {
	var out []string
	for _, v := range values {
		if v != "" && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

func sortedKeys(m map[string]string) []string {
	return slices.Sorted(maps.Keys(m))
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
