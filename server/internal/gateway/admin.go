package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/tracing"
	"github.com/soundextract/sx/server/sx"
)

// The work of all accounts, for administrators. Only auth knows the administrators and the
// names of accounts, so each request asks auth with its client's credential, which auth
// refuses unless it is an administrator's.

// maxAccountsResponse is in bytes; api.MaxIDs accounts need far less.
const maxAccountsResponse = 1 << 20

// accounts returns the accounts that the query of api.PathUsers selects. For a client who
// may not list accounts, the error is auth's.
func (s *Service) accounts(r *http.Request, query url.Values) ([]api.Account, error) {
	unavailable := func(err error) error {
		return sx.NewError(sx.CodeUnavailable, "accounts are currently unavailable").WithCause(err)
	}
	to := s.cfg.AuthURL.JoinPath(api.PathUsers)
	to.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, to.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	for _, name := range []string{"Authorization", api.HeaderRequestID} {
		req.Header.Set(name, r.Header.Get(name))
	}
	tracing.Inject(r.Context(), req.Header)
	res, err := s.cfg.AuthTransport.RoundTrip(req)
	if err != nil {
		return nil, unavailable(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAccountsResponse))
	if err != nil {
		return nil, unavailable(err)
	}
	if res.StatusCode != http.StatusOK {
		var failed api.ErrorBody
		if json.Unmarshal(body, &failed) == nil && failed.Error.Code.Status() == res.StatusCode {
			return nil, failed.Error.ToError()
		}
		return nil, unavailable(fmt.Errorf("auth answered %s", res.Status))
	}
	var out api.UserList
	if err := json.Unmarshal(body, &out); err != nil {
		return nil, unavailable(fmt.Errorf("decode auth's response: %w", err))
	}
	return out.Users, nil
}

// administrator refuses a client who is not an administrator.
func (s *Service) administrator(r *http.Request) error {
	_, err := s.accounts(r, url.Values{api.QueryLimit: {"1"}})
	return err
}

// owners returns the accounts with the IDs; those that were deleted have no name.
func (s *Service) owners(r *http.Request, ids []string) (map[string]api.Owner, error) {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	known := map[string]api.Owner{}
	for chunk := range slices.Chunk(ids, api.MaxIDs) {
		accounts, err := s.accounts(r, url.Values{api.QueryID: chunk})
		if err != nil {
			return nil, err
		}
		for _, a := range accounts {
			known[a.ID] = api.Owner{ID: a.ID, Name: a.Name}
		}
	}
	for _, id := range ids {
		if _, ok := known[id]; !ok {
			known[id] = api.Owner{ID: id}
		}
	}
	return known, nil
}

// adminJobs converts jobs to the form for administrators, which has their history.
func (s *Service) adminJobs(r *http.Request, lists ...[]sx.Job) ([][]api.AdminJob, error) {
	var ids []string
	for _, list := range lists {
		for _, j := range list {
			ids = append(ids, j.Owner)
		}
	}
	owners, err := s.owners(r, ids)
	if err != nil {
		return nil, err
	}
	out := make([][]api.AdminJob, len(lists))
	kept := s.newPeriods()
	for i, list := range lists {
		out[i] = make([]api.AdminJob, len(list))
		for k, j := range list {
			out[i][k].Owner = owners[j.Owner]
			of, err := s.toAPI(r.Context(), j, kept)
			if err != nil {
				return nil, err
			}
			out[i][k].Job = of.WithHistory(j)
		}
	}
	return out, nil
}

func (s *Service) listAllJobs(w http.ResponseWriter, r *http.Request) error {
	if err := s.administrator(r); err != nil {
		return err
	}
	filter, err := s.adminFilter(r)
	if err != nil {
		return err
	}
	leave, err := s.large.Enter(r.Context(), owner(r.Context()))
	if err != nil {
		return err
	}
	defer leave()
	found, next, err := s.cfg.Jobs.List(r.Context(), filter)
	if err != nil {
		return err
	}
	lists, err := s.adminJobs(r, found)
	if err != nil {
		return err
	}
	out := api.AdminJobList{Jobs: lists[0]}
	if next != nil {
		out.Next = next.String()
	}
	api.Write(w, http.StatusOK, out)
	return nil
}

// adminFilter parses the query of a list of all jobs. An account that does not exist is an
// *sx.Error of code not_found, any other error is of code invalid.
func (s *Service) adminFilter(r *http.Request) (store.JobFilter, error) {
	q := r.URL.Query()
	if err := adminLimit(q); err != nil {
		return store.JobFilter{}, err
	}
	f, err := jobFilter(q)
	if err != nil {
		return f, err
	}
	if f.Since, err = queryTime(q, api.QuerySince); err != nil {
		return f, err
	}
	before, err := queryTime(q, api.QueryBefore)
	if err != nil {
		return f, err
	}
	if !before.IsZero() && (f.After == nil || before.Before(f.After.Created)) {
		f.After = &store.Cursor{Created: before} // no ID sorts before ""
	}
	if code := q.Get(api.QueryCode); code != "" {
		if f.Code = sx.Code(code); !slices.Contains(sx.Codes(), f.Code) {
			return f, sx.NewError(sx.CodeInvalid, "unknown error code %q", sx.CleanLine(code, store.MaxID)).
				WithHint("see docs/errors.md for the codes")
		}
	}
	if name := q.Get(api.QueryOwner); name != "" {
		accounts, err := s.accounts(r, url.Values{api.QueryName: {name}})
		if err != nil {
			return f, err
		}
		if len(accounts) == 0 {
			return f, sx.NewError(sx.CodeNotFound, "account %q not found", sx.CleanLine(name, store.MaxID)).
				WithHint("list the accounts to see their names")
		}
		f.Owner = accounts[0].ID
	}
	return f, nil
}

// adminLimit refuses a limit above api.MaxAdminLimit.
func adminLimit(q url.Values) error {
	v := q.Get(api.QueryLimit)
	if n, err := strconv.Atoi(v); v != "" && (err != nil || n < 1 || n > api.MaxAdminLimit) {
		return sx.NewError(sx.CodeInvalid, "invalid limit %q", sx.CleanLine(v, store.MaxID)).
			WithHint("specify a number from 1 to %d", api.MaxAdminLimit)
	}
	return nil
}

// queryTime returns a time of the query, zero if there is none.
func queryTime(q url.Values, name string) (time.Time, error) {
	v := q.Get(name)
	if v == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, v)
	if err != nil {
		return at, sx.NewError(sx.CodeInvalid, "invalid time %q", sx.CleanLine(v, store.MaxID)).
			WithHint("use the form 2026-01-31T12:00:00Z")
	}
	return at, nil
}

func (s *Service) getAnyJob(w http.ResponseWriter, r *http.Request) error {
	if err := s.administrator(r); err != nil {
		return err
	}
	j, err := s.cfg.Jobs.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	lists, err := s.adminJobs(r, []sx.Job{j})
	if err != nil {
		return err
	}
	api.Write(w, http.StatusOK, lists[0][0])
	return nil
}

func (s *Service) listUsage(w http.ResponseWriter, r *http.Request) error {
	if err := s.administrator(r); err != nil {
		return err
	}
	q := r.URL.Query()
	if err := adminLimit(q); err != nil {
		return err
	}
	limit := api.DefaultLimit
	if v := q.Get(api.QueryLimit); v != "" {
		limit, _ = strconv.Atoi(v) // checked above
	}
	after, err := usageAfter(q.Get(api.QueryAfter))
	if err != nil {
		return err
	}
	found, more, err := s.cfg.Jobs.Owners(r.Context(), after, s.cfg.Now(), limit)
	if err != nil {
		return err
	}
	ids := make([]string, len(found))
	for i, u := range found {
		ids[i] = u.Owner
	}
	owners, err := s.owners(r, slices.Clone(ids))
	if err != nil {
		return err
	}
	out := api.AccountUsageList{Accounts: make([]api.AccountUsage, len(found))}
	for i, u := range found {
		out.Accounts[i] = api.AccountUsage{Owner: owners[u.Owner], Bytes: u.Bytes, Jobs: u.Jobs, Uploads: u.Uploads, Today: u.Today}
	}
	if more {
		last := found[len(found)-1]
		out.Next = strconv.FormatInt(last.Bytes, 36) + "." + last.Owner
	}
	api.Write(w, http.StatusOK, out)
	return nil
}

// usageAfter parses a position in the list of usage; nil is its beginning.
func usageAfter(v string) (*store.OwnerUsage, error) {
	if v == "" {
		return nil, nil //nolint:nilnil // the beginning
	}
	size, id, found := strings.Cut(v, ".")
	n, err := strconv.ParseInt(size, 36, 64)
	if err != nil || !found || len(id) > store.MaxID {
		return nil, store.InvalidCursor(v)
	}
	return &store.OwnerUsage{Owner: id, Usage: sx.Usage{Bytes: n}}, nil
}

func (s *Service) getQueue(w http.ResponseWriter, r *http.Request) error {
	if err := s.administrator(r); err != nil {
		return err
	}
	ctx := r.Context()
	backlog, err := s.cfg.Jobs.Backlog(ctx)
	if err != nil {
		return err
	}
	running, err := s.cfg.Jobs.Oldest(ctx, sx.StateRunning, api.MaxQueueJobs)
	if err != nil {
		return err
	}
	waiting, err := s.cfg.Jobs.Oldest(ctx, sx.StateQueued, api.MaxQueueJobs)
	if err != nil {
		return err
	}
	lists, err := s.adminJobs(r, running, waiting)
	if err != nil {
		return err
	}
	out := api.WorkQueue{Time: s.cfg.Now().UTC(), Running: lists[0], Waiting: lists[1], Messages: s.messages(ctx)}
	for _, state := range store.Unfinished() {
		b := api.StateBacklog{State: state, Jobs: backlog[state].Jobs}
		if b.Jobs > 0 {
			oldest := backlog[state].Oldest.UTC()
			b.Oldest = &oldest
		}
		out.States = append(out.States, b)
	}
	api.Write(w, http.StatusOK, out)
	return nil
}

// messages counts the messages of the queues, except those that cannot be reached: the jobs
// are found without them.
func (s *Service) messages(ctx context.Context) []api.QueueMessages {
	list := []api.QueueMessages{}
	ctx, cancel := context.WithTimeout(ctx, depthTimeout)
	defer cancel()
	for _, q := range bus.Queues() {
		if depth, err := s.cfg.Bus.Depth(ctx, q); err == nil {
			list = append(list, api.QueueMessages{Queue: string(q), Ready: depth.Ready, DeadLetters: depth.Dead})
		}
	}
	return list
}

// depthTimeout bounds how long the administrator waits for the broker.
const depthTimeout = 2 * time.Second
