package gateway

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

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
	switch v := q.Get(api.QueryShared); v {
	case "":
	case "true":
		f.Shared = true
	default:
		return f, sx.NewError(sx.CodeInvalid, "invalid value %q of shared", v).WithHint("use true, or leave it out")
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
		f.After, err = store.ParseCursor(v)
	}
	if err == nil {
		err = f.Check()
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
