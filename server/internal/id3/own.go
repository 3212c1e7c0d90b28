package id3

import (
	"slices"
	"strings"
)

// own adds the frames of the source's own tag.
func (c *collector) own(t Tag) {
	for _, f := range t.Frames {
		c.ownFrame(f)
	}
	for _, f := range c.frames {
		c.fromOwn[f.subject()] = true
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
