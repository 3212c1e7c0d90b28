package sx

import "slices"

// Code names a kind of error. Codes are part of the API: they are never
// renamed. docs/errors.md has a section for each.
type Code string

// The codes that a server can return or store in a job.
const (
	CodeInternal    Code = "internal"
	CodeUnavailable Code = "unavailable"
	CodeInvalid     Code = "invalid"
	CodeNotFound    Code = "not_found"
	CodeConflict    Code = "conflict"

	CodeStoredFormat  Code = "stored_format"
	CodeBackupDamaged Code = "backup_damaged"

	CodeUnauthenticated Code = "unauthenticated"
	CodeBadCredentials  Code = "bad_credentials"
	CodeSessionEnded    Code = "session_ended"
	CodeTooManyAttempts Code = "too_many_attempts"
	CodeTooManyRequests Code = "too_many_requests"
	CodeNameTaken       Code = "name_taken"

	CodeForbidden          Code = "forbidden"
	CodeAccountDisabled    Code = "account_disabled"
	CodeRegistrationClosed Code = "registration_closed"
	CodeBadInvitation      Code = "bad_invitation"

	CodeOffsetConflict Code = "offset_conflict"
	CodeUploadExpired  Code = "upload_expired"
	CodeTooLarge       Code = "too_large"
	CodeQuotaExceeded  Code = "quota_exceeded"
	CodeDailyLimit     Code = "daily_limit"
	CodeStorageFull    Code = "storage_full"
	CodeKeyReused      Code = "key_reused"
	CodeKeyInUse       Code = "key_in_use"

	CodeNotMedia    Code = "not_media"
	CodePlaylist    Code = "playlist"
	CodeNoAudio     Code = "no_audio"
	CodeNoSuchTrack Code = "no_such_track"
	CodeTruncated   Code = "truncated"
	CodeUnreadable  Code = "unreadable"

	CodeTimeLimit        Code = "time_limit"
	CodeMemoryLimit      Code = "memory_limit"
	CodeOutOfMemory      Code = "out_of_memory"
	CodeOutputLimit      Code = "output_limit"
	CodeConversionFailed Code = "conversion_failed"
	CodeWorkerLost       Code = "worker_lost"
)

// The codes of errors that clients report themselves; no server sends them.
const (
	CodeUsage       Code = "usage"
	CodeUnreachable Code = "unreachable"
	CodeForeign     Code = "foreign_response"
	CodeBlocked     Code = "blocked"
	CodeTimedOut    Code = "timed_out"
	CodeInterrupted Code = "interrupted"
	CodeNotReady    Code = "not_ready"
	CodeProblems    Code = "problems_found"
)

// The exit codes of sx, in the style of sysexits.h.
const (
	ExitOK          = 0
	ExitFailure     = 1
	ExitUsage       = 64
	ExitBadInput    = 65
	ExitUnreachable = 69
	ExitTryAgain    = 75
	ExitNotAllowed  = 77
	ExitProblems    = 79
	ExitInterrupted = 130
)

// traits are the boolean properties of a code.
type traits uint8

const (
	retryable  traits = 1 << iota // see Code.Retryable
	permanent                     // see Code.Permanent
	stopsBatch                    // see Code.StopsBatch
	resync                        // see Code.Resync
)

// class is a row of the table of codes.
type class struct {
	status int // HTTP; 0 for a code that no server sends
	exit   int
	traits traits
	hint   string // see Code.Hint
}

// classes is the only classification of errors: everything that depends on the
// kind of an error looks it up here. The statuses are numbers so that importing
// the domain does not link net/http.
var classes = map[Code]class{
	CodeInternal:    {500, ExitFailure, retryable, "try again; if it fails again, report the request ID to the operator of the server"},
	CodeUnavailable: {503, ExitUnreachable, retryable | stopsBatch, "the server is starting, stopping or waiting for a dependency; try again in a moment"},
	CodeInvalid:     {400, ExitBadInput, 0, "correct the request and send it again"},
	CodeNotFound:    {404, ExitBadInput, 0, "check the ID; resources of other accounts are not found either"},
	CodeConflict:    {409, ExitFailure, resync, "check the current state, then decide whether to try again"},

	CodeStoredFormat: {503, ExitUnreachable, stopsBatch, "install the release that wrote the data, or a later one, or restore a backup"},

	CodeBackupDamaged: {422, ExitBadInput, 0, "use another backup, or create it again"},

	CodeUnauthenticated: {401, ExitNotAllowed, stopsBatch | resync, "sign in, or send a valid token"},
	CodeBadCredentials:  {401, ExitNotAllowed, stopsBatch, "check the name and the password"},
	CodeSessionEnded:    {401, ExitNotAllowed, stopsBatch, "sign in again"},
	CodeTooManyAttempts: {429, ExitTryAgain, retryable | stopsBatch, "wait a minute before you try again"},
	CodeTooManyRequests: {429, ExitTryAgain, retryable, "wait until another of your requests has ended, then try again"},
	CodeNameTaken:       {409, ExitBadInput, 0, "choose another name"},

	CodeForbidden:          {403, ExitNotAllowed, stopsBatch, "sign in with an account that is allowed to do this"},
	CodeAccountDisabled:    {403, ExitNotAllowed, stopsBatch, "ask an administrator of the server to enable the account"},
	CodeRegistrationClosed: {403, ExitNotAllowed, stopsBatch, "ask an administrator of the server for an account"},
	CodeBadInvitation:      {403, ExitNotAllowed, stopsBatch, "check that the whole code was copied, or ask for another invitation"},

	CodeOffsetConflict: {409, ExitTryAgain, resync, "get the upload's offset and resume from there"},
	CodeUploadExpired:  {410, ExitTryAgain, 0, "upload the file again"},
	CodeTooLarge:       {413, ExitBadInput, permanent, "split the file, or ask the operator of the server to raise the limit"},
	CodeQuotaExceeded:  {403, ExitNotAllowed, 0, "remove jobs that are no longer needed"},
	CodeDailyLimit:     {429, ExitTryAgain, stopsBatch, "try again tomorrow: days begin at midnight UTC"},
	CodeStorageFull:    {507, ExitTryAgain, stopsBatch, "nothing is lost: continue once there is room on the server"},
	CodeKeyReused:      {422, ExitBadInput, 0, "send another key for another request"},
	CodeKeyInUse:       {409, ExitTryAgain, retryable, "send the same request again after the time in Retry-After"},

	CodeNotMedia:    {415, ExitBadInput, permanent, "upload a video or audio file, such as .mp4, .mkv, .mov, .webm or .mp3"},
	CodePlaylist:    {415, ExitBadInput, permanent, "upload the media file itself, not a playlist or script that points to it"},
	CodeNoAudio:     {422, ExitBadInput, permanent, "check the recording, or choose another file"},
	CodeNoSuchTrack: {422, ExitBadInput, permanent, "choose one of the tracks that the message lists"},
	CodeTruncated:   {422, ExitBadInput, permanent, "the file ends too early; copy or export it again, then upload it again"},
	CodeUnreadable:  {422, ExitBadInput, permanent, "play the file to check it; exporting it again as MP4 (H.264 and AAC) often helps"},

	CodeTimeLimit:        {422, ExitBadInput, permanent, "retry the job; if it fails again, cut the video into parts"},
	CodeMemoryLimit:      {422, ExitBadInput, permanent, "export the video with ordinary settings, then upload it again"},
	CodeOutOfMemory:      {422, ExitFailure, 0, "retry the job; if it fails again, the operator should give the converters more memory"},
	CodeOutputLimit:      {422, ExitBadInput, permanent, "choose a smaller preset, such as small"},
	CodeConversionFailed: {422, ExitFailure, 0, "retry the job"},
	CodeWorkerLost:       {422, ExitFailure, 0, "retry the job; if it fails again, the file may be harmful to the converter"},

	CodeUsage:       {0, ExitUsage, 0, ""},
	CodeUnreachable: {0, ExitUnreachable, retryable | stopsBatch, ""},
	CodeForeign:     {0, ExitUnreachable, retryable | stopsBatch, ""},
	CodeBlocked:     {0, ExitUnreachable, stopsBatch, ""},
	CodeTimedOut:    {0, ExitTryAgain, stopsBatch, ""},
	CodeInterrupted: {0, ExitInterrupted, stopsBatch, ""},
	CodeNotReady:    {0, ExitFailure, 0, ""},
	CodeProblems:    {0, ExitProblems, 0, ""},
}

// Codes lists the codes that a server can send, in alphabetical order.
func Codes() []Code { return list(func(c class) bool { return c.status != 0 }) }

// ClientCodes lists the codes that only clients report, in alphabetical order.
func ClientCodes() []Code { return list(func(c class) bool { return c.status == 0 }) }

func list(keep func(class) bool) []Code {
	var codes []Code
	for code, c := range classes {
		if keep(c) {
			codes = append(codes, code)
		}
	}
	slices.Sort(codes)
	return codes
}

// Hint returns the default hint of the code, which suits any client; "" for a
// code that no server sends.
func (c Code) Hint() string { return classes[c].hint }

// Status returns the HTTP status of a response with this code; 500 for a code
// that no server sends.
func (c Code) Status() int {
	if s := classes[c].status; s != 0 {
		return s
	}
	return 500
}

// ExitCode returns the exit code of sx; ExitFailure for an unknown code.
func (c Code) ExitCode() int {
	if known, ok := classes[c]; ok {
		return known.exit
	}
	return ExitFailure
}

// Retryable reports whether the same request may succeed later, so that clients
// retry it.
func (c Code) Retryable() bool { return classes[c].traits&retryable != 0 }

// Permanent reports whether the file itself causes the error: its upload or
// conversion would fail again in the same way, so it is not retried automatically.
func (c Code) Permanent() bool { return classes[c].traits&permanent != 0 }

// StopsBatch reports whether the error concerns the server or the account, so
// that all other files or jobs of a batch would fail too.
func (c Code) StopsBatch() bool { return classes[c].traits&stopsBatch != 0 }

// Resync reports whether an upload may be resumed after its offset has been
// requested again (which also renews the access token).
func (c Code) Resync() bool { return classes[c].traits&resync != 0 }
