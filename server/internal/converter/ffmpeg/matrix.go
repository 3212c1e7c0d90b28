package ffmpeg

import (
	"fmt"
	"slices"
	"strings"
)

// speaker is a row of the matrix: how loud a channel is on the left and on the right,
// before normalisation.
type speaker struct {
	name        string
	left, right float64
}

const (
	side   = 0.7071 // −3 dB
	center = 0.7071
	half   = 0.5 // −6 dB
)

// speakers is the matrix for channels with a position. docs/design.md has it as a table.
// The filter pan ignores those that a layout does not have, and divides each output by
// the sum of the rest, so nothing can clip.
var speakers = []speaker{
	{"FL", 1, 0},
	{"FR", 0, 1},
	{"FC", center, center},
	{"DL", 1, 0},
	{"DR", 0, 1},
	{"LFE", half, half},
	{"FLC", 0.924, 0.383},
	{"FRC", 0.383, 0.924},
	{"WL", 1, 0},
	{"WR", 0, 1},
	{"BL", side, 0},
	{"BR", 0, side},
	{"BC", half, half},
	{"SL", side, 0},
	{"SR", 0, side},
	{"SDL", side, 0},
	{"SDR", 0, side},
	{"TC", half, half},
	{"TFL", side, 0},
	{"TFR", 0, side},
	{"TFC", half, half},
	{"TBL", side, 0},
	{"TBR", 0, side},
	{"TBC", half, half},
	{"TSL", side, 0},
	{"TSR", 0, side},
	{"BFC", half, half},
	{"BFL", side, 0},
	{"BFR", 0, side},
}

// maxChannels is the number of channels that ffmpeg's filter pan can mix.
const maxChannels = 64

// lfe2 is the second low-frequency channel. The filter pan does not know its name.
var lfe2 = speaker{"LFE2", half, half}

// secondLFE lists the layouts with a second low-frequency channel.
var secondLFE = map[string]string{
	"7.2.3": "FL FR FC LFE BL BR SL SR TFL TFR TBC LFE2",
	"22.2":  "FL FR FC LFE BL BR FLC FRC BC SL SR TC TFL TFC TFR TBL TBC TBR LFE2 TSL TSR BFC BFL BFR",
}

// mix returns the filter that turns a stream into the given number of channels, 1 or 2.
func mix(s stream, channels int) string {
	order := secondLFE[s.Layout]
	switch {
	case strings.HasPrefix(s.Layout, "ambisonic"):
		return pan(channels, ambisonic(s))
	case order != "":
		return pan(channels, numbered(strings.Fields(order)))
	case s.hasPositions(), s.Channels == 0: // or they are not known yet
		return pan(channels, speakers)
	default:
		return pan(channels, unplaced(s.Channels))
	}
}

// pan formats the filter.
func pan(channels int, in []speaker) string {
	var left, right, both []string
	for _, c := range in {
		if c.left != 0 {
			left = append(left, fmt.Sprintf("%g*%s", c.left, c.name))
		}
		if c.right != 0 {
			right = append(right, fmt.Sprintf("%g*%s", c.right, c.name))
		}
		both = append(both, fmt.Sprintf("%g*%s", c.left+c.right, c.name))
	}
	if channels == 1 {
		return "pan=mono|c0<" + strings.Join(both, "+")
	}
	return "pan=stereo|c0<" + strings.Join(left, "+") + "|c1<" + strings.Join(right, "+")
}

// orders are the positions of channels whose positions the file does not say, by their
// number: the order of WAVE (Microsoft, dwChannelMask).
var orders = map[int]string{
	1: "FC",
	2: "FL FR",
	3: "FL FR FC",
	4: "FL FR BL BR",
	5: "FL FR FC BL BR",
	6: "FL FR FC LFE BL BR",
	7: "FL FR FC LFE BC SL SR",
	8: "FL FR FC LFE BL BR SL SR",
}

// unplaced returns the matrix for channels without positions: those of orders, or all
// channels on both sides.
func unplaced(channels int) []speaker {
	if order := orders[channels]; order != "" {
		return numbered(strings.Fields(order))
	}
	all := make([]speaker, min(channels, maxChannels))
	for i := range all {
		all[i] = speaker{fmt.Sprintf("c%d", i), 1, 1}
	}
	return all
}

// numbered returns the matrix for the channels in this order, which refers to them by
// number.
func numbered(order []string) []speaker {
	m := make([]speaker, len(order))
	for i, name := range order {
		m[i] = lfe2
		if at := slices.IndexFunc(speakers, func(s speaker) bool { return s.name == name }); at >= 0 {
			m[i] = speakers[at]
		}
		m[i].name = fmt.Sprintf("c%d", i)
	}
	return m
}

// ambisonic returns the matrix for ambisonics in the order ACN with SN3D: two cardioid
// microphones that point to the left and to the right, (W ± Y)/2. The other components
// add height, depth and detail, but no source that these two miss. Two channels of stereo
// may follow.
func ambisonic(s stream) []speaker {
	m := []speaker{{"c0", half, half}, {"c1", half, -half}}
	if n := s.Channels; strings.HasSuffix(s.Layout, "+stereo") && n >= 6 && n <= maxChannels {
		m = append(m, speaker{fmt.Sprintf("c%d", n-2), 1, 0}, speaker{fmt.Sprintf("c%d", n-1), 0, 1})
	}
	return m
}

// hasPositions reports whether the layout says where a channel belongs.
func (s *stream) hasPositions() bool {
	_, list, isList := strings.Cut(s.Layout, "(")
	switch {
	case s.Layout == "", s.Layout == "unknown", s.Layout == "binaural":
		return false
	case isList && strings.Contains(s.Layout, "channels"): // 3 channels (FL+FR+BC)
		return slices.ContainsFunc(strings.Split(strings.TrimSuffix(list, ")"), "+"), func(name string) bool {
			return slices.ContainsFunc(speakers, func(s speaker) bool { return s.name == name })
		})
	default:
		return !strings.Contains(s.Layout, "channels") // 9 channels
	}
}
