package sx

import (
	"cmp"
	"time"
)

// Limits are what an account may use, and how long its data is kept. A nil value means the
// server's limit.
type Limits struct {
	Owner string // the user's ID, or ServerLimits

	// The quota; 0 is no limit.
	Bytes      *int64 // stored
	Uploads    *int   // open at the same time
	JobsPerDay *int   // created on a UTC day

	// See Retention; 0 is forever.
	Videos, Failed, Tracks *time.Duration

	Rev int64 // see store.Limits
}

// ServerLimits is the Owner of the limits of accounts without their own. No user has this
// ID.
const ServerLimits = "server"

// NewLimits returns limits with all values.
func NewLimits(q Quota, r Retention) Limits {
	return Limits{
		Bytes: &q.Bytes, Uploads: &q.Uploads, JobsPerDay: &q.JobsPerDay,
		Videos: &r.Videos, Failed: &r.Failed, Tracks: &r.Tracks,
	}
}

// Or returns the limits, with nil values replaced by those of other.
func (l Limits) Or(other Limits) Limits {
	l.Bytes, l.Uploads, l.JobsPerDay = cmp.Or(l.Bytes, other.Bytes), cmp.Or(l.Uploads, other.Uploads), cmp.Or(l.JobsPerDay, other.JobsPerDay)
	l.Videos, l.Failed, l.Tracks = cmp.Or(l.Videos, other.Videos), cmp.Or(l.Failed, other.Failed), cmp.Or(l.Tracks, other.Tracks)
	return l
}

// None reports whether all values are nil.
func (l Limits) None() bool { return l == Limits{Owner: l.Owner, Rev: l.Rev} }

// MaxPeriod is the longest period for which data of an account is kept, other than forever.
const MaxPeriod = 100 * 365 * 24 * time.Hour

// Check returns an error of code invalid if a value is not permitted.
func (l Limits) Check() error {
	for name, n := range map[string]int64{
		"bytes": value(l.Bytes), "uploads": int64(value(l.Uploads)), "jobs a day": int64(value(l.JobsPerDay)),
	} {
		if n < 0 {
			return NewError(CodeInvalid, "the limit of %s is negative", name).WithHint("use 0 for no limit")
		}
	}
	for name, d := range map[string]time.Duration{
		"videos": value(l.Videos), "failed jobs": value(l.Failed), "tracks": value(l.Tracks),
	} {
		if d < 0 || d > 0 && d < time.Minute || d > MaxPeriod {
			return NewError(CodeInvalid, "the retention period of %s is not possible", name).
				WithHint("use 0 to keep them forever, or a period from a minute to 100 years")
		}
	}
	return nil
}

// Quota is what an account may use; 0 is no limit.
type Quota struct {
	Bytes      int64 // stored, or reserved for what is arriving or being produced
	Uploads    int   // open at the same time
	JobsPerDay int   // created on a UTC day
}

// Quota returns the quota, in which nil is no limit.
func (l Limits) Quota() Quota {
	return Quota{Bytes: value(l.Bytes), Uploads: value(l.Uploads), JobsPerDay: value(l.JobsPerDay)}
}

// Retention returns the periods, in which nil is forever.
func (l Limits) Retention() Retention {
	return Retention{Videos: value(l.Videos), Failed: value(l.Failed), Tracks: value(l.Tracks)}
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
