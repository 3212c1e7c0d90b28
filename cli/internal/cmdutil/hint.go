package cmdutil

import (
	"errors"
	"slices"

	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/sx"
)

// hints replace default hints (sx.Code.Hint), which are for any client of the API,
// where users of sx can be given a command. The argument "ID" stands for the job's ID,
// if that is known.
var hints = map[sx.Code]nextcmd.Hint{
	sx.CodeNotFound: hint("check the ID with: %s", nextcmd.Command{"jobs"}),
	sx.CodeConflict: hint("check the job's state with: %s", nextcmd.Command{"show", "ID"}),

	sx.CodeUnauthenticated: hint("sign in with: %s, or create an account with: %s", nextcmd.Command{"login"}, nextcmd.Command{"register"}),
	sx.CodeBadCredentials:  hint("check the name and the password, or create an account with: %s", nextcmd.Command{"register"}),
	sx.CodeSessionEnded:    hint("sign in again with: %s", nextcmd.Command{"login"}),
	sx.CodeNameTaken:       hint("choose another name, or sign in with: %s", nextcmd.Command{"login"}),
	sx.CodeForbidden:       hint("sign in with an account that is allowed to do this, with: %s", nextcmd.Command{"login"}),

	sx.CodeOffsetConflict: hint("run the same command again to continue"),
	sx.CodeQuotaExceeded:  hint("remove jobs that you no longer need with: %s", nextcmd.Command{"rm", "ID"}),
	sx.CodeStorageFull:    hint("nothing is lost: once there is room on the server, run the same command again to continue"),
	sx.CodeNoSuchTrack:    hint("choose one of the tracks named above with --track"),

	sx.CodeTimeLimit:        hint("try again with: %s; if it fails again, cut the video into parts", nextcmd.Command{"retry", "ID"}),
	sx.CodeOutOfMemory:      hint("try again with: %s; if it fails again, the operator should give the converters more memory", nextcmd.Command{"retry", "ID"}),
	sx.CodeOutputLimit:      hint("choose a smaller preset, such as --preset small"),
	sx.CodeConversionFailed: hint("try again with: %s", nextcmd.Command{"retry", "ID"}),
	sx.CodeWorkerLost:       hint("try again with: %s; if it fails again, the file may be harmful to the converter", nextcmd.Command{"retry", "ID"}),
}

func hint(format string, commands ...nextcmd.Command) nextcmd.Hint {
	return nextcmd.Hint{Format: format, Commands: commands}
}

// Hint returns the hint for users of sx for an error with the given code and hint. A
// hint that is not the default one of its code stays as it is. job is the ID of the
// job that the error is about, "" if unknown; flags are repeated in the command that
// the hint names.
func Hint(code sx.Code, text, job string, flags nextcmd.Flags) string {
	h, ok := hints[code]
	if !ok || isExplicit(code, text) {
		return text
	}
	if job != "" {
		h.Commands = slices.Clone(h.Commands)
		for i, c := range h.Commands {
			h.Commands[i] = slices.Clone(c)
			for k, arg := range c {
				if arg == "ID" {
					h.Commands[i][k] = job
				}
			}
		}
	}
	return h.Render(flags)
}

// isExplicit reports whether text is another hint than the default one of the code.
func isExplicit(code sx.Code, text string) bool { return text != "" && text != code.Hint() }

// JobError is an error about the job with an ID, which its hint then names.
type JobError struct {
	Job string
	Err error
}

func (e *JobError) Error() string { return e.Err.Error() }

// Unwrap returns the error without the ID.
func (e *JobError) Unwrap() error { return e.Err }

// HintOf returns the hint for err: its own one (sx.Error.WithHint, nextcmd.WithHint),
// or Hint of its code; "" if it has no code.
func HintOf(err error, flags nextcmd.Flags) string {
	var known *sx.Error
	if !errors.As(err, &known) {
		return ""
	}
	var own *nextcmd.HintError
	if !isExplicit(known.Code, known.Hint) && errors.As(err, &own) {
		return own.Hint.Render(flags)
	}
	job := ""
	var about *JobError
	if errors.As(err, &about) {
		job = about.Job
	}
	return Hint(known.Code, known.Hint, job, flags)
}
