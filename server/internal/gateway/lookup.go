package gateway

import (
	"context"
	"net/http"
	"slices"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

const (
	// maxLookupBody is in bytes: MaxLookup items with long tags.
	maxLookupBody = 4 << 20
	// maxFound bounds the memory of a lookup. If the same sources were converted more
	// often, the newest jobs count.
	maxFound = 10_000
	// maxConversions is how many records of removed jobs are kept for each user: fifty files a
	// day for a year, about 6 MB.
	maxConversions = 20_000
)

// lookup says which sources were converted, or are about to be.
func (s *Service) lookup(w http.ResponseWriter, r *http.Request) error {
	var in api.Lookup
	if err := httpserver.DecodeUpTo(maxLookupBody, w, r, &in); err != nil {
		return err
	}
	if len(in.Items) > api.MaxLookup {
		return sx.NewError(sx.CodeInvalid, "too many items in one request: %d", len(in.Items)).
			WithHint("specify at most %d", api.MaxLookup)
	}
	var identities []string
	for _, item := range in.Items {
		if err := sx.CheckIdentity(item.Identity); err != nil {
			return err
		}
		if err := sx.Options(item.Options).Check(); err != nil {
			return err
		}
		identities = append(identities, item.Identity)
	}
	slices.Sort(identities)
	found, err := s.findConversions(r.Context(), owner(r.Context()), slices.Compact(identities))
	if err != nil {
		return err
	}
	out := api.LookupResult{Items: make([]api.Conversion, len(in.Items))}
	for i, item := range in.Items {
		out.Items[i] = found[converted{item.Identity, sx.Options(item.Options).Key()}]
		if out.Items[i].Tracks == nil {
			out.Items[i].Tracks = []api.ConvertedTrack{}
		}
	}
	api.Write(w, http.StatusOK, out)
	return nil
}

// converted is a source and the key of its options.
type converted struct{ identity, options string }

// findConversions returns what is known about sources of the owner. A job takes precedence
// over the record of a removed one, a job that is done over an unfinished one, and of
// equals the newest.
func (s *Service) findConversions(ctx context.Context, owner string, identities []string) (map[converted]api.Conversion, error) {
	found := map[converted]api.Conversion{}
	if len(identities) == 0 {
		return found, nil
	}
	records, err := s.cfg.Conversions.Find(ctx, owner, identities)
	if err != nil {
		return nil, err
	}
	for _, c := range records {
		found[converted{c.Identity, c.Options}] = api.Conversion{Tracks: convertedTracks(c.Tracks)}
	}
	filter := store.JobFilter{
		Owner: owner, Identities: identities, Limit: maxFound,
		States: []sx.State{sx.StateUploading, sx.StateQueued, sx.StateRunning, sx.StateDone},
	}
	for more := true; more; more = filter.After != nil && filter.Limit > 0 { // the newest first
		list, next, err := s.cfg.Jobs.List(ctx, filter)
		if err != nil {
			return nil, err
		}
		for _, j := range list {
			addFound(found, j)
		}
		filter.After, filter.Limit = next, filter.Limit-len(list)
	}
	return found, nil
}

// addFound adds a job, which is older than those that were added before.
func addFound(found map[converted]api.Conversion, j sx.Job) {
	key := converted{j.Identity(), j.Options.Key()}
	known := found[key]
	switch {
	case known.State == sx.StateDone, known.JobID != "" && j.State != sx.StateDone:
		return
	case j.State == sx.StateDone:
		c, _ := sx.NewConversion(j, j.Updated)
		known.Tracks = convertedTracks(c.Tracks)
	}
	known.JobID, known.State = j.ID, j.State
	found[key] = known
}

func convertedTracks(list []sx.ConvertedTrack) []api.ConvertedTrack {
	tracks := make([]api.ConvertedTrack, len(list))
	for i, t := range list {
		tracks[i] = api.ConvertedTrack(t)
	}
	return tracks
}

// recordConversion stores a record of the conversion of a job that is about to be removed.
func (s *Service) recordConversion(ctx context.Context, j sx.Job) error {
	c, ok := sx.NewConversion(j, s.cfg.Now())
	if !ok {
		return nil
	}
	return s.cfg.Conversions.Put(ctx, c, maxConversions)
}
