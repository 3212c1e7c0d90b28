// Package format defines the version of the stored data, and the rule by which releases
// with different versions share them: a release reads its own format and the previous
// one, and writes the previous one until the upgrade is final.
//
// A store keeps one Record, whose layout is the same in all formats. It lists every
// running process, so announcing a process and starting to write the next format
// change the same document, and one of the two comes first.
package format

import (
	"slices"
	"strings"
	"time"

	"github.com/soundextract/sx/server/sx"
)

const (
	// FinalAfter is how long the previous format is still written once no process of the
	// previous release runs.
	FinalAfter = 24 * time.Hour
	// Life is how long a process counts as running after its last heartbeat. The clocks
	// of the processes may differ by less than Life minus Interval.
	Life = 5 * time.Minute
	// Interval is the time between two heartbeats.
	Interval = 30 * time.Second
	// maxProcesses bounds the record. Fewer processes than this crash within Life.
	maxProcesses = 1000
	// maxLabel bounds the texts of a Process, in bytes.
	maxLabel = 64
)

// Format is a version of the stored documents.
type Format struct {
	Number int
	// Codec translates documents of format n, which is Number or the one before. With nil,
	// both formats have the form of this release's types.
	Codec func(n int) Codec
}

// Codec translates between a stored document and the form that this release's types have.
// A function that is nil changes nothing.
type Codec struct {
	Decode, Encode Change
}

// Change changes a document of a kind, which is the name of its collection. It may lack
// fields, because not all of them were read.
type Change func(kind string, doc map[string]any)

func (f Format) codec(n int) Codec {
	if f.Codec == nil {
		return Codec{}
	}
	return f.Codec(n)
}

// Backup returns how the documents of a backup in format n are translated, nil if they need
// not be. It returns an *sx.Error of code stored_format if the release cannot read them;
// release wrote the backup.
func (f Format) Backup(n int, release string) (Change, error) {
	switch {
	case n > f.Number:
		return nil, sx.NewError(sx.CodeStoredFormat, "the backup has format %d, which release %s wrote; this release, %s, reads no format after %d",
			n, release, sx.Version, f.Number).WithHint("restore it with release %s or a later one", release)
	case n < f.Number-1 || n < 1:
		return nil, sx.NewError(sx.CodeStoredFormat, "the backup has format %d, which release %s wrote; this release, %s, reads no format before %d",
			n, release, sx.Version, max(f.Number-1, 1)).
			WithHint("restore it with release %s, then upgrade one release after the other, and finish each upgrade", release)
	}
	return f.codec(n).Decode, nil
}

// Current is the format of this release.
func Current() Format { return Format{Number: 1} }

// Record is what a store keeps about its format.
type Record struct {
	Rev int64 `bson:"rev" json:"rev"` // 0 is a record that is not stored yet
	// Format is the newest format that documents may have, Oldest the oldest one. A
	// document without a mark has the oldest.
	Format int `bson:"format" json:"format"`
	Oldest int `bson:"oldest" json:"oldest"`
	// Release began to write Format.
	Release string `bson:"release" json:"release"`
	// Since is when all processes could first read the format after Format; zero while
	// some cannot.
	Since     time.Time `bson:"since" json:"since"`
	Processes []Process `bson:"processes" json:"processes"`
}

// Process is a process that uses the stored data.
type Process struct {
	ID      string `bson:"id" json:"id"`
	Name    string `bson:"name" json:"name"` // of its program and host
	Release string `bson:"release" json:"release"`
	Reads   int    `bson:"reads" json:"reads"` // the newest format
	// Seen is the time of its last heartbeat; zero in a store that only one process can
	// have open.
	Seen time.Time `bson:"seen" json:"seen"`
}

// join returns the record after a heartbeat of the process at the given time. where says
// in errors where the data are.
func (r Record) join(p Process, now time.Time, where string) (Record, error) {
	if r.Rev == 0 {
		r = Record{Format: p.Reads, Oldest: p.Reads, Release: p.Release}
	}
	if err := r.check(p, where); err != nil {
		return r, err
	}
	r.Processes = slices.DeleteFunc(slices.Clone(r.Processes), func(o Process) bool {
		return o.ID == p.ID || p.Seen.IsZero() || now.Sub(o.Seen).Abs() >= Life // after now: its clock was wrong
	})
	if len(r.Processes) >= maxProcesses {
		return r, sx.NewError(sx.CodeUnavailable, "%d processes use %s", len(r.Processes), where).
			WithHint("wait until those that have crashed are forgotten, after %s", Life)
	}
	r.Processes = append(r.Processes, p)
	switch {
	case len(r.behind()) > 0 || r.newest() == r.Format:
		r.Since = time.Time{}
	case r.Since.IsZero() || r.Since.Sub(now) >= Life:
		r.Since = now
	case now.Sub(r.Since) >= FinalAfter:
		r = r.finish(p)
	}
	return r, nil
}

// leave returns the record without the process.
func (r Record) leave(id string) Record {
	r.Processes = slices.DeleteFunc(slices.Clone(r.Processes), func(p Process) bool { return p.ID == id })
	return r
}

// finish makes the format that p reads the one that is written.
func (r Record) finish(p Process) Record {
	r.Format, r.Release, r.Since = p.Reads, p.Release, time.Time{}
	return r
}

// newest returns the newest format that a process can read.
func (r Record) newest() int {
	n := r.Format
	for _, p := range r.Processes {
		n = max(n, p.Reads)
	}
	return n
}

// behind returns the processes that cannot read the format after the one that is
// written, if others can.
func (r Record) behind() (list []Process) {
	if r.newest() == r.Format {
		return nil
	}
	for _, p := range r.Processes {
		if p.Reads == r.Format {
			list = append(list, p)
		}
	}
	return list
}

// check returns an error of code stored_format if the process cannot read the data.
func (r Record) check(p Process, where string) error {
	switch {
	case r.Format > p.Reads:
		return sx.NewError(sx.CodeStoredFormat, "%s has format %d, which release %s began to write; this release, %s, reads no format after %d",
			where, r.Format, r.Release, p.Release, p.Reads).
			WithHint("install release %s or a later one, or restore a backup from before that upgrade was final", r.Release)
	case r.Oldest < p.Reads-1:
		return sx.NewError(sx.CodeStoredFormat, "%s has format %d; this release, %s, reads no format before %d",
			where, r.Oldest, p.Release, p.Reads-1).
			WithHint("install the releases in between first, one after the other, and finish each upgrade")
	default:
		return nil
	}
}

func (r Record) equal(o Record) bool {
	return r.Rev == o.Rev && r.Format == o.Format && r.Oldest == o.Oldest && r.Release == o.Release && r.Since.Equal(o.Since) &&
		slices.EqualFunc(r.Processes, o.Processes, func(a, b Process) bool {
			return a.ID == b.ID && a.Name == b.Name && a.Release == b.Release && a.Reads == b.Reads && a.Seen.Equal(b.Seen)
		})
}

// Status says which formats are read and written.
type Status struct {
	Format  int // that is written
	Next    int // that will be written; Format if no upgrade is pending
	Behind  []Process
	FinalAt time.Time // when Next will be written; zero while processes are behind
}

// status returns the status after a heartbeat.
func (r Record) status() Status {
	s := Status{Format: r.Format, Next: r.newest(), Behind: r.behind()}
	if !r.Since.IsZero() {
		s.FinalAt = r.Since.Add(FinalAfter)
	}
	return s
}

// conflict is why the upgrade cannot be finished.
func (s Status) conflict() error {
	names := make([]string, len(s.Behind))
	for i, p := range s.Behind {
		names[i] = p.Name + " (" + p.Release + ")"
	}
	const shown = 3
	text := strings.Join(names[:min(len(names), shown)], ", ")
	if len(names) > shown {
		text += ", …"
	}
	return sx.NewError(sx.CodeConflict, "the previous release is still running, as %d processes: %s", len(names), text).
		WithHint("wait until the new release has replaced them; one that was killed is forgotten after %s", Life)
}
