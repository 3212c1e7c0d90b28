package gateway

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// jobFilter parses the query of a list. Errors are of code invalid.
func jobFilter(q url.Values) (f store.JobFilter, err error) {
	for _, v := range q[api.QueryState] {
		state := sx.State(v)
		if !slices.Contains(sx.States(), state) {
			return f, sx.NewError(sx.CodeInvalid, "unknown state %q", v).
				WithHint("choose from: %s", strings.Trim(fmt.Sprint(sx.States()), "[]"))
		}
		f.States = append(f.States, state)
	}
	if f.IDs, err = queryIDs(q); err != nil {
		return f, err
	}
	if f.Labels, err = sx.Labels(q[api.QueryLabel]); err != nil {
		return f, err
	}
	f.Name, f.Limit = q.Get(api.QueryName), api.DefaultLimit
	if v := q.Get(api.QueryLimit); v != "" {
		f.Limit, err = strconv.Atoi(v)
		if err != nil || f.Limit < 1 || f.Limit > api.MaxLimit {
			return f, sx.NewError(sx.CodeInvalid, "invalid limit %q", v).
				WithHint("specify a number from 1 to %d", api.MaxLimit)
		}
	}
	if v := q.Get(api.QueryAfter); v != "" {
		f.After, err = parseCursor(v)
	}
	return f, err
}

// queryIDs returns the ids in a query, each once.
func queryIDs(q url.Values) ([]string, error) {
	var ids []string
	for _, id := range q[api.QueryID] {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if len(ids) > api.MaxIDs {
		return nil, sx.NewError(sx.CodeInvalid, "too many ids in one request: %d", len(ids)).
			WithHint("specify at most %d", api.MaxIDs)
	}
	return ids, nil
}

// cursor encodes a job's position in the list: its creation in milliseconds, which is
// how precisely it is stored, and its ID. It is opaque to clients.
func cursor(j sx.Job) string { return strconv.FormatInt(j.Created.UnixMilli(), 36) + "." + j.ID }

func parseCursor(v string) (*store.JobCursor, error) {
	created, id, found := strings.Cut(v, ".")
	ms, err := strconv.ParseInt(created, 36, 64)
	if err != nil || !found || id == "" {
		return nil, sx.NewError(sx.CodeInvalid, "invalid cursor %q", v).
			WithHint("use the value that the previous page gave for the next one")
	}
	return &store.JobCursor{Created: time.UnixMilli(ms).UTC(), ID: id}, nil
}
