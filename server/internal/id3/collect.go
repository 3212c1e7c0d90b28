package id3

import (
	"cmp"
	"fmt"
	"maps"
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
	key := f.ID + "\x00" + f.Language + "\x00" + strings.ToLower(f.Description)
	if f.Description == "" {
		key += "\x00" + string(f.Data) // such as PRIV, of which a tag may have several
	}
	return key
}

// collector collects the frames of a tag. The first frame of a kind wins.
type collector struct {
	src     Source
	keepAll bool
	frames  map[string]Frame // by key
	fromOwn map[string]bool  // the subjects of the source's own tag
	cut     bool             // a value was shortened
	without []string         // subjects of frames that are left out
}

func newCollector(src Source, keepAll bool) *collector {
	return &collector{src: src, keepAll: keepAll, frames: map[string]Frame{}, fromOwn: map[string]bool{}}
}

// sorted returns the frames in the order of the tag.
func (c *collector) sorted() []Frame {
	frames := slices.Collect(maps.Values(c.frames))
	order := func(f Frame) int {
		if i, ok := position[f.ID]; ok {
			return i
		}
		return len(rules) + len(position)
	}
	slices.SortFunc(frames, func(a, b Frame) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(a.key(), b.key()))
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
	if _, ok := c.frames[f.key()]; ok || slices.Contains(c.without, f.subject()) {
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

// replaced adds the texts that replace those of the source. It comes first, because the
// first frame of a kind wins.
func (c *collector) replaced(t Texts) {
	for _, e := range edited {
		if c.add(Frame{ID: e.id, Values: []string{cleanLine(*e.text(&t))}}, maxLine) {
			c.without = append(c.without, e.sort) // it sorts by the source's own text
		}
	}
}

// ofTheWhole are the subjects of frames with the ID of a recording, which those of its parts
// are not.
var ofTheWhole = []string{
	"TSRC", "TGID", "UFID", Frame{ID: "TXXX", Description: "Acoustid Id"}.subject(),
	Frame{ID: "TXXX", Description: "MusicBrainz Track Id"}.subject(), Frame{ID: "TXXX", Description: "MusicBrainz Release Track Id"}.subject(),
}

// numbered adds the number of an MP3 among those of the source.
func (c *collector) numbered(number, total int) {
	if total == 0 {
		return
	}
	c.add(Frame{ID: "TRCK", Values: []string{fmt.Sprintf("%d/%d", number, total)}}, maxLine)
	c.without = append(c.without, ofTheWhole...)
}

// set adds the frame that a rule makes of values. It reports whether they are in the
// tag now, or cannot be.
func (c *collector) set(r *rule, language string, values []string, total string) bool {
	f := r.frame()
	if slices.Contains(c.without, f.subject()) {
		return true
	}
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

// other adds a tag that is not on the list, if all tags are kept.
func (c *collector) other(name string, values []string) {
	name = cleanLine(name)
	if !c.keepAll || name == "" || misleading[normalize(name)] && !c.src.Copied {
		return
	}
	c.add(Frame{ID: "TXXX", Description: name, Values: each(values, cleanText)}, maxText)
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
