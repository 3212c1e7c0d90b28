package store

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/soundextract/sx/server/sx"
)

// JobFilter selects jobs. A zero field selects all.
type JobFilter struct {
	Owner  string
	States []sx.State
	// IDs selects the jobs with these IDs, which are read one by one. Limit does not count
	// then: a page ends only at MaxPageBytes, so a job that is not on it may be on the next.
	// JobsByID reads all pages.
	IDs    []string
	Name   string   // a part of the video's name, ignoring case
	Labels []string // a job has all of them
	Shared bool     // a job has links, which may have expired
	// Identities selects the jobs with a source that has one of these identities. How
	// long that takes does not depend on how many other jobs there are.
	Identities []string
	// Code selects the jobs whose Error has it.
	Code sx.Code
	// Since selects the jobs that were created at that time or later.
	Since time.Time
	// After is the last job of the previous page: only older jobs are returned.
	After *Cursor
	Limit int // the largest number of jobs to return; 0 means MaxExamined
}

// Check returns an *sx.Error of code invalid if the filter has a text that no job can
// have; List returns it too.
func (f JobFilter) Check() error {
	if len(f.Name) > sx.MaxName || !cleanName(f.Name) {
		return sx.NewError(sx.CodeInvalid, "invalid part of a name %q", sx.CleanLine(f.Name, 80)).
			WithHint("use at most %d bytes of UTF-8 without NUL", sx.MaxName)
	}
	return nil
}

// Matches reports whether the filter selects the job, except for IDs and After.
func (f JobFilter) Matches(j sx.Job) bool {
	for _, l := range f.Labels {
		if !slices.Contains(j.Labels, l) {
			return false
		}
	}
	return (!f.Shared || len(j.Shares) > 0) &&
		(f.Owner == "" || j.Owner == f.Owner) &&
		(f.Code == "" || j.Error != nil && j.Error.Code == f.Code) &&
		j.Created.UnixMilli() >= f.Since.UnixMilli() &&
		(len(f.States) == 0 || slices.Contains(f.States, j.State)) &&
		(len(f.Identities) == 0 || slices.ContainsFunc(j.Sources, func(s sx.Source) bool { return slices.Contains(f.Identities, s.Identity) })) &&
		strings.Contains(strings.ToLower(j.Sent.Name), strings.ToLower(f.Name))
}

// CheckName returns an *sx.Error of code invalid if a video cannot have the name: those
// that sx.SourceName returns are valid. Create and Replace of Jobs, and Create of Videos,
// return it too.
func CheckName(name string) error {
	if len(name) > sx.MaxName || !cleanName(name) {
		return sx.NewError(sx.CodeInvalid, "invalid video name %q", sx.CleanLine(name, 80)).
			WithHint("use at most %d bytes of UTF-8 without NUL", sx.MaxName)
	}
	return nil
}

// cleanName reports whether a database can store and search for the text: strings in BSON
// are UTF-8, and its regular expressions have no NUL.
func cleanName(s string) bool {
	return utf8.ValidString(s) && !strings.Contains(s, "\x00")
}

// PageLimit returns Limit, or its default.
func (f JobFilter) PageLimit() int {
	if f.Limit > 0 {
		return f.Limit
	}
	return MaxExamined
}

// MaxExamined is how many jobs List examines for a page.
const MaxExamined = 1000

// MaxPageBytes is how many bytes the stored records of a page may have, except that it has
// at least one: a job may have hundreds of MP3s, and so may the payload of a delivery.
const MaxPageBytes = 2 << 20
