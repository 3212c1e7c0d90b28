package store

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// Audit stores records of changes to accounts. Entries are appended and never changed.
type Audit interface {
	// Append stores an entry, whose ID is that of AuditID. If the ID exists, it returns
	// an *sx.Error of code conflict.
	Append(ctx context.Context, e sx.AuditEntry) error
	// List returns a page of the entries that match, newest first (by ID, descending).
	// more reports whether the limit cut the list.
	List(ctx context.Context, f AuditFilter) (entries []sx.AuditEntry, more bool, err error)
	// DeleteBefore removes the entries whose Time is before the given one.
	DeleteBefore(ctx context.Context, before time.Time) error
}

// AuditFilter selects entries. A zero field selects all.
type AuditFilter struct {
	Account string
	Since   time.Time // the entries of this time and later
	After   string    // the ID of the last entry of the previous page: only older ones are returned
	Limit   int       // the largest number of entries to return, at least 1
}

// AuditID returns a new ID for an entry of the given time. IDs sort by time, to the
// millisecond, if it is after 1970.
func AuditID(at time.Time) string { return auditPrefix(at) + sx.NewID() }

// AuditIDOf returns an ID that depends only on the given time and on the ID of an
// object, made by sx.NewID: an entry that is appended again has the same one.
func AuditIDOf(at time.Time, id string) string { return auditPrefix(at) + id }

func auditPrefix(at time.Time) string { return fmt.Sprintf("%012x-", max(0, at.UnixMilli())) }

var auditID = regexp.MustCompile(`^(|[0-9a-f]{12}-[a-z2-7]{16})$`)

// ValidAuditID reports whether the text can be the After of a filter.
func ValidAuditID(id string) bool { return auditID.MatchString(id) }

// From returns the smallest ID that an entry of the time Since can have; "" if Since is
// zero.
func (f AuditFilter) From() string {
	if f.Since.IsZero() {
		return ""
	}
	return auditPrefix(f.Since)
}
