package cmdutil

import (
	"errors"
	"strings"

	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/sx"
)

// suggestion is a hint that names a command of sx. The argument "ID" stands for the
// job's ID, if that is known.
type suggestion struct {
	before  string
	command []string
	after   string
}

// suggestions replace default hints (sx.Code.Hint), which are for any client of the
// API, where users of sx can be given a command.
var suggestions = map[sx.Code]suggestion{
	sx.CodeNotFound: {"check the ID with: ", []string{"jobs"}, ""},
	sx.CodeConflict: {"check the job's state with: ", []string{"jobs"}, ""},

	sx.CodeUnauthenticated: {"sign in with: ", []string{"login"}, ""},
	sx.CodeBadCredentials:  {"check the name and the password, or create an account with: ", []string{"register"}, ""},
	sx.CodeSessionEnded:    {"sign in again with: ", []string{"login"}, ""},
	sx.CodeNameTaken:       {"choose another name, or sign in with: ", []string{"login"}, ""},
	sx.CodeForbidden:       {"sign in with an account that is allowed to do this, with: ", []string{"login"}, ""},

	sx.CodeOffsetConflict: {"run the same command again to continue", nil, ""},
	sx.CodeQuotaExceeded:  {"remove jobs that you no longer need with: ", []string{"rm", "ID"}, ""},
	sx.CodeStorageFull:    {"nothing is lost: once there is room on the server, run the same command again to continue", nil, ""},
	sx.CodeNoSuchTrack:    {"choose one of the tracks named above with --track", nil, ""},

	sx.CodeTimeLimit:        {"try again with: ", []string{"retry", "ID"}, "; if it fails again, cut the video into parts"},
	sx.CodeOutputLimit:      {"choose a smaller preset, such as --preset small", nil, ""},
	sx.CodeConversionFailed: {"try again with: ", []string{"retry", "ID"}, ""},
	sx.CodeWorkerLost:       {"try again with: ", []string{"retry", "ID"}, "; if it fails again, the file may be harmful to the converter"},
}

// Hint returns the hint for users of sx for an error with the given code and hint. A
// hint that is not the default one of its code stays as it is. job is the ID of the
// job that the error is about, "" if unknown; flags are repeated in the command that
// the hint names.
func Hint(code sx.Code, hint, job string, flags nextcmd.Flags) string {
	s, ok := suggestions[code]
	if !ok || hint != "" && hint != code.Hint() {
		return hint
	}
	if s.command == nil {
		return s.before
	}
	args := make([]string, len(s.command))
	for i, a := range s.command {
		if a == "ID" && job != "" {
			a = job
		}
		args[i] = a
	}
	return s.before + flags.SX(args...) + s.after
}

// JobError is an error about one of several jobs. Its message names the job.
type JobError struct {
	Job string
	Err error
}

func (e *JobError) Error() string {
	message := e.Err.Error()
	if strings.Contains(message, "job "+e.Job) {
		return message
	}
	return e.Job + ": " + message
}

// Unwrap returns the error without the ID.
func (e *JobError) Unwrap() error { return e.Err }

// HintOf is Hint for an error; "" if it has no code.
func HintOf(err error, flags nextcmd.Flags) string {
	var known *sx.Error
	if !errors.As(err, &known) {
		return ""
	}
	job := ""
	var about *JobError
	if errors.As(err, &about) {
		job = about.Job
	}
	return Hint(known.Code, known.Hint, job, flags)
}
