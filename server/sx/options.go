package sx

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Options are the encoding options of a job. The zero value is the preset
// standard.
type Options struct {
	Preset  Preset // "" means standard
	Bitrate int    // kbit/s, constant; 0 uses the preset's
	Quality *int   // LAME's VBR scale, 0 (best) to 9; nil uses the preset's
	Mono    bool
	// Track selects the audio track: its number from 1, or its language tag such
	// as "eng". "" selects the file's default track, or else the first.
	Track string
	// KeepAllTags also keeps the tags that say where, when and with which device or
	// program the video was made.
	KeepAllTags bool
	// Start and End, in seconds of the recording, limit the MP3 to what is between them. An
	// End of 0 is the recording's own.
	Start, End float64
	// Loudness is the integrated loudness of the MP3: LoudnessAuto, a number of LUFS
	// such as "-18", or "" to leave it as it is.
	Loudness string
	// SplitChapters makes one MP3 of each chapter.
	SplitChapters bool
	// SplitEvery, in seconds, makes MP3s of that length, of which the last has the rest. 0
	// does not split.
	SplitEvery float64
	// Title, Artist and Album are used in place of the file's own, unless "".
	Title, Artist, Album string
}

// MaxTag is the maximum length of a title, artist or album in bytes.
const MaxTag = 1000

// CleanTag returns untrusted text as a title, artist or album.
func CleanTag(s string) string { return CleanLine(s, MaxTag) }

// Key returns a string that is the same for options that give the same MP3.
func (o Options) Key() string {
	if o.Preset == "" {
		o.Preset = PresetStandard
	}
	o.Mono = o.Mono || o.Preset == PresetSpeech
	var b strings.Builder
	add := func(name, value string) {
		if value != "" {
			_, _ = fmt.Fprintf(&b, "%s=%q\n", name, value)
		}
	}
	// An option with its default value adds nothing, so that a new option does not
	// change the keys of those without it.
	switch {
	case o.Bitrate != 0:
		add("bitrate", strconv.Itoa(o.Bitrate))
	case o.Quality != nil:
		add("quality", strconv.Itoa(*o.Quality))
	default:
		add("preset", string(o.Preset))
	}
	if o.Mono {
		add("mono", "true")
	}
	add("track", strings.ToLower(o.Track))
	if o.KeepAllTags {
		add("keep_all_tags", "true")
	}
	add("start", FormatSeconds(o.Start))
	add("end", FormatSeconds(o.End))
	add("loudness", o.Loudness)
	if o.SplitChapters {
		add("split_chapters", "true")
	}
	add("split_every", FormatSeconds(o.SplitEvery))
	add("title", CleanTag(o.Title))
	add("artist", CleanTag(o.Artist))
	add("album", CleanTag(o.Album))
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:16])
}

// Preset names a set of encoder settings.
type Preset string

// The presets, from the smallest to the largest output.
const (
	PresetSpeech   Preset = "speech"   // mono, 64 kbit/s
	PresetSmall    Preset = "small"    // 128 kbit/s
	PresetStandard Preset = "standard" // VBR -V2, about 190 kbit/s
	PresetHigh     Preset = "high"     // 320 kbit/s
)

// Presets lists all presets in display order.
func Presets() []Preset {
	return []Preset{PresetSpeech, PresetStandard, PresetHigh, PresetSmall}
}

// Bitrates are the constant bit rates of MPEG-1 Layer III in kbit/s
// (ISO/IEC 11172-3, table of bit_rate_index).
var Bitrates = []int{32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}

var trackPattern = regexp.MustCompile(`^([1-9][0-9]?|[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*)$`)

// Check returns an Error of code invalid that names the first bad option.
func (o Options) Check() error {
	switch {
	case o.Preset != "" && !slices.Contains(Presets(), o.Preset):
		return NewError(CodeInvalid, "unknown preset %q", o.Preset).
			WithHint("use one of: speech, standard, high, small")
	case o.Bitrate != 0 && !slices.Contains(Bitrates, o.Bitrate):
		return NewError(CodeInvalid, "MP3 does not support %d kbit/s", o.Bitrate).
			WithHint("choose one of 32 40 48 56 64 80 96 112 128 160 192 224 256 320")
	case o.Quality != nil && (*o.Quality < 0 || *o.Quality > 9):
		return NewError(CodeInvalid, "quality %d is out of range", *o.Quality).
			WithHint("choose a number from 0 (best) to 9 (smallest)")
	case o.Bitrate != 0 && o.Quality != nil:
		return NewError(CodeInvalid, "bit rate and quality are mutually exclusive").
			WithHint("use either a bit rate or a quality")
	case o.Track != "" && !trackPattern.MatchString(o.Track):
		return NewError(CodeInvalid, "invalid audio track %q", o.Track).
			WithHint("use a track number from 1, or a language, such as eng")
	}
	if err := o.checkRange(); err != nil {
		return err
	}
	if _, err := o.LoudnessTarget(2); err != nil {
		return err
	}
	if err := o.checkSplit(); err != nil {
		return err
	}
	for _, t := range []string{o.Title, o.Artist, o.Album} {
		if len(t) > MaxTag {
			return NewError(CodeInvalid, "the tag %s has %d bytes", CleanLine(t, 40), len(t)).
				WithHint("use at most %d bytes for a title, artist or album", MaxTag)
		}
	}
	return nil
}

var userNamePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._@+-]{1,62}[a-z0-9]$`)

// UserName normalizes an account name (lower case, surrounding space removed). It
// returns an Error of code invalid if the name is not valid. An e-mail address is
// a valid name.
func UserName(name string) (string, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	if !userNamePattern.MatchString(name) {
		return "", NewError(CodeInvalid, "invalid account name %q", name).
			WithHint("use 3 to 64 letters, digits and . _ @ + -, starting and ending with a letter or digit")
	}
	return name, nil
}
