package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// AdminJobFilter selects jobs of all accounts; a zero field does not restrict the selection.
type AdminJobFilter struct {
	States        []sx.State
	Owner         string // the account's name
	Code          sx.Code
	Name          string
	Since, Before time.Time // of the creation
	Limit         int       // at most api.MaxAdminLimit
	After         string
}

// AdminJobs returns one page of the jobs of all accounts.
func (c *Client) AdminJobs(ctx context.Context, f AdminJobFilter) (out api.AdminJobList, err error) {
	q := pageQuery(f.After, f.Limit)
	for _, s := range f.States {
		q.Add(api.QueryState, string(s))
	}
	for name, text := range map[string]string{api.QueryOwner: f.Owner, api.QueryCode: string(f.Code), api.QueryName: f.Name} {
		if text != "" {
			q.Set(name, text)
		}
	}
	for name, at := range map[string]time.Time{api.QuerySince: f.Since, api.QueryBefore: f.Before} {
		if !at.IsZero() {
			q.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	return out, c.call(ctx, http.MethodGet, api.PathAdminJobs, q, nil, &out)
}

// AdminJob returns a job of any account, with its history.
func (c *Client) AdminJob(ctx context.Context, id string) (out api.AdminJob, err error) {
	err = c.call(ctx, http.MethodGet, jobPath(api.PathAdminJob, id), nil, nil, &out)
	out.Job, err = requested(id, out.Job, err)
	return out, err
}

// AdminUsage returns one page of what accounts use, those with the most bytes first.
func (c *Client) AdminUsage(ctx context.Context, after string, limit int) (out api.AccountUsageList, err error) {
	return out, c.call(ctx, http.MethodGet, api.PathAdminUsage, pageQuery(after, limit), nil, &out)
}

// Queue returns what is running and waiting.
func (c *Client) Queue(ctx context.Context) (out api.WorkQueue, err error) {
	return out, c.call(ctx, http.MethodGet, api.PathAdminQueue, nil, nil, &out)
}

// pageQuery returns the query of a page. A limit of 0 means the server's default.
func pageQuery(after string, limit int) url.Values {
	q := url.Values{}
	if after != "" {
		q.Set(api.QueryAfter, after)
	}
	if limit > 0 {
		q.Set(api.QueryLimit, strconv.Itoa(limit))
	}
	return q
}
