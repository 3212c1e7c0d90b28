package sx

import (
	"maps"
	"slices"
)

// Code names a kind of error. Codes are part of the API: they are never
// renamed. docs/errors.md has a section for each.
type Code string

// The codes that a server can answer with or store in a job.
const (
	CodeInternal    Code = "internal"
	CodeUnavailable Code = "unavailable"
	CodeInvalid     Code = "invalid"
	CodeNotFound    Code = "not_found"
	CodeConflict    Code = "conflict"

	CodeUnauthenticated Code = "unauthenticated"
	CodeBadCredentials  Code = "bad_credentials"
	CodeSessionEnded    Code = "session_ended"
	CodeTooManyAttempts Code = "too_many_attempts"
	CodeNameTaken       Code = "name_taken"

	CodeForbidden          Code = "forbidden"
	CodeAccountDisabled    Code = "account_disabled"
	CodeRegistrationClosed Code = "registration_closed"
	CodeBadInvitation      Code = "bad_invitation"

	CodeOffsetConflict Code = "offset_conflict"
	CodeUploadExpired  Code = "upload_expired"
	CodeTooLarge       Code = "too_large"
	CodeQuotaExceeded  Code = "quota_exceeded"
	CodeStorageFull    Code = "storage_full"

	CodeNotMedia    Code = "not_media"
	CodePlaylist    Code = "playlist"
	CodeNoAudio     Code = "no_audio"
	CodeNoSuchTrack Code = "no_such_track"
	CodeTruncated   Code = "truncated"
	CodeUnreadable  Code = "unreadable"

	CodeTimeLimit        Code = "time_limit"
	CodeMemoryLimit      Code = "memory_limit"
	CodeOutputLimit      Code = "output_limit"
	CodeConversionFailed Code = "conversion_failed"
	CodeWorkerLost       Code = "worker_lost"
)

// hints holds, for every code, what a person can do about it.
var hints = map[Code]string{
	CodeInternal:    "try again; if it stays, give the request id to whoever runs the server",
	CodeUnavailable: "the server is starting, stopping or missing a part; try again in a moment",
	CodeInvalid:     "correct the request and send it again",
	CodeNotFound:    "check the id with: sx jobs",
	CodeConflict:    "look at the job's state with: sx jobs",

	CodeUnauthenticated: "sign in with: sx login",
	CodeBadCredentials:  "check the name and the password; a new account is made with: sx register",
	CodeSessionEnded:    "sign in again with: sx login",
	CodeTooManyAttempts: "wait a minute before you try again",
	CodeNameTaken:       "choose another name, or sign in with: sx login",

	CodeForbidden:          "sign in as someone who may do this, with: sx login",
	CodeAccountDisabled:    "ask an administrator of the server to enable it again",
	CodeRegistrationClosed: "ask an administrator of the server for an account",
	CodeBadInvitation:      "check that the whole code was copied, or ask for another invitation",

	CodeOffsetConflict: "ask for the upload's offset and go on from there; sx upload does so by itself",
	CodeUploadExpired:  "upload the file again",
	CodeTooLarge:       "split the file, or ask whoever runs the server to raise the limit",
	CodeQuotaExceeded:  "remove what you no longer need with: sx rm ID",
	CodeStorageFull:    "nothing is lost: once there is room on the server, the same command goes on where it stopped",

	CodeNotMedia:    "upload a video or audio file, such as .mp4, .mkv, .mov, .webm or .mp3",
	CodePlaylist:    "upload the media file itself, not a playlist or script that points to it",
	CodeNoAudio:     "the video has no sound; check the recording, or choose another file",
	CodeNoSuchTrack: "choose one of the tracks named above with --track",
	CodeTruncated:   "the file ends too early; copy or export it again, then upload it anew",
	CodeUnreadable:  "play the file to check it; exporting it again as MP4 (H.264 and AAC) often helps",

	CodeTimeLimit:        "try again with: sx retry ID; if it stays, cut the video into parts",
	CodeMemoryLimit:      "export the video again with ordinary settings, then upload it anew",
	CodeOutputLimit:      "choose a smaller preset, such as --preset small",
	CodeConversionFailed: "try again with: sx retry ID",
	CodeWorkerLost:       "try again with: sx retry ID; if it stays, the file may be harmful to the converter",
}

// Codes lists all codes in alphabetical order.
func Codes() []Code { return slices.Sorted(maps.Keys(hints)) }

// Hint is the usual advice for the code, "" for a code that is not known.
func (c Code) Hint() string { return hints[c] }

// Permanent reports whether a conversion that failed with this code would fail
// the same way again, so that it is not tried a second time by itself.
func (c Code) Permanent() bool {
	switch c {
	case CodeNotMedia, CodePlaylist, CodeNoAudio, CodeNoSuchTrack, CodeTruncated,
		CodeUnreadable, CodeTimeLimit, CodeMemoryLimit, CodeOutputLimit:
		return true
	default:
		return false
	}
}
