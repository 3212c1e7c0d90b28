package sx

import "fmt"

// The codes of warnings. docs/errors.md explains each.
const (
	// WarningTruncated: the file ends too early; the track has what is there.
	WarningTruncated = "truncated"
	// WarningDamaged: parts of the audio could not be decoded and are silent.
	WarningDamaged = "damaged"
	// WarningIncomplete: the file has more audio, which could not be followed.
	WarningIncomplete = "incomplete"
	// WarningHeader: the file has more audio than its header declares, and all of it was
	// used.
	WarningHeader = "header"
	// WarningOtherTrack: another audio track than the expected one was used.
	WarningOtherTrack = "other_track"
	// WarningJoinedTracks: several audio tracks were combined.
	WarningJoinedTracks = "joined_tracks"
	// WarningClock: the video's clock jumps, or claims more silence than is credible.
	WarningClock = "clock"
	// WarningPhase: left and right cancelled each other out, so one was inverted for mono.
	WarningPhase = "phase"
	// WarningNoChapters: it was to be split by chapters, of which it has none.
	WarningNoChapters = "no_chapters"
	// WarningTags: tags, chapters or cover art could not be kept in full.
	WarningTags = "tags"
)

// WarningCodes lists the codes of warnings, sorted.
func WarningCodes() []string {
	return []string{
		WarningClock, WarningDamaged, WarningHeader, WarningIncomplete, WarningJoinedTracks,
		WarningNoChapters, WarningOtherTrack, WarningPhase, WarningTags, WarningTruncated,
	}
}

// NewWarning returns a warning, with the message formatted as by fmt.Sprintf.
func NewWarning(code, format string, args ...any) Warning {
	return Warning{Code: code, Message: fmt.Sprintf(format, args...)}
}
