package store

import (
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// Cursor is a position in a list whose order is by Created, then ID, both descending.
type Cursor struct {
	Created time.Time
	ID      string
}

// String encodes the position for clients, to whom it is opaque: Created in milliseconds,
// which is how precisely it is stored, and the ID.
func (c Cursor) String() string {
	return strconv.FormatInt(c.Created.UnixMilli(), 36) + "." + c.ID
}

// MaxID is more than the length of any ID, in bytes.
const MaxID = 64

// ParseCursor is the inverse of String. Its error is that of InvalidCursor.
func ParseCursor(v string) (*Cursor, error) {
	created, id, found := strings.Cut(v, ".")
	ms, err := strconv.ParseInt(created, 36, 64)
	if err != nil || !found || id == "" || len(id) > MaxID {
		return nil, InvalidCursor(v)
	}
	return &Cursor{Created: time.UnixMilli(ms).UTC(), ID: id}, nil
}

// InvalidCursor returns the *sx.Error, of code invalid, for a position that no page gave.
func InvalidCursor(v string) error {
	return sx.NewError(sx.CodeInvalid, "invalid cursor %q", sx.CleanLine(v, MaxID)).
		WithHint("use the cursor that the previous page returned")
}
