package gateway

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

const (
	// maxLookupBody is in bytes: MaxLookup items, most of them without long tags.
	maxLookupBody = 256 << 10
	// maxFoundPages bounds the time of a lookup, in pages of jobs. If the same sources were
	// converted more often, the newest jobs count.
	maxFoundPages = 32
	// maxFoundTracks bounds its response, to about 1 MB.
	maxFoundTracks = 10_000
	// recordsAtOnce is how many records are read at a time: each may have hundreds of MP3s.
	recordsAtOnce = 50
	// maxConversions is of how many MP3s of removed jobs the records are kept for each user:
	// fifty files a day for a year, about 6 MB.
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
	found := conversions{}
	for _, item := range in.Items {
		if err := sx.CheckIdentity(item.Identity); err != nil {
			return err
		}
		if err := sx.Options(item.Options).Check(); err != nil {
			return err
		}
		found[keyOf(item)] = api.Conversion{}
	}
	leave, err := s.large.Enter(r.Context(), owner(r.Context()))
	if err != nil {
		return err
	}
	defer leave()
	if err := s.findConversions(r.Context(), owner(r.Context()), found); err != nil {
		return err
	}
	out, tracks := api.LookupResult{Items: make([]api.Conversion, len(in.Items))}, 0
	for i, item := range in.Items {
		out.Items[i] = found[keyOf(item)]
		if out.Items[i].Tracks == nil {
			out.Items[i].Tracks = []api.ConvertedTrack{}
		}
		tracks += len(out.Items[i].Tracks)
	}
	if tracks > maxFoundTracks { // an item may be there several times
		return tooMuchFound()
	}
	api.Write(w, http.StatusOK, out)
	return nil
}

func keyOf(item api.LookupItem) store.ConversionKey {
	return store.ConversionKey{Identity: item.Identity, Options: sx.Options(item.Options).Key()}
}

func tooMuchFound() error {
	return sx.NewError(sx.CodeInvalid, "more than %d MP3s were made from the sources", maxFoundTracks).
		WithHint("specify fewer items in one request")
}

// conversions are those that a lookup is about, with what is known about them.
type conversions map[store.ConversionKey]api.Conversion

// findConversions adds what is known about sources of the owner. A job takes precedence over
// the record of a removed one, a job that is done over an unfinished one, and of equals the
// newest.
func (s *Service) findConversions(ctx context.Context, owner string, found conversions) error {
	if len(found) == 0 {
		return nil
	}
	for keys := range slices.Chunk(slices.Collect(maps.Keys(found)), recordsAtOnce) {
		records, err := s.cfg.Conversions.Find(ctx, owner, keys)
		if err != nil {
			return err
		}
		for _, c := range records {
			found[store.ConversionKey{Identity: c.Identity, Options: c.Options}] = api.Conversion{Tracks: convertedTracks(c.Tracks)}
		}
	}
	filter := store.JobFilter{
		Owner: owner, States: []sx.State{sx.StateUploading, sx.StateQueued, sx.StateRunning, sx.StateDone},
	}
	for key := range found {
		filter.Identities = append(filter.Identities, key.Identity)
	}
	slices.Sort(filter.Identities)
	filter.Identities = slices.Compact(filter.Identities)
	for range maxFoundPages { // the newest first
		list, next, err := s.cfg.Jobs.List(ctx, filter)
		if err != nil {
			return err
		}
		for _, j := range list {
			found.add(j)
		}
		if found.tracks() > maxFoundTracks {
			return tooMuchFound()
		}
		if filter.After = next; next == nil {
			break
		}
	}
	return nil
}

// add adds a job, which is older than those that were added before.
func (found conversions) add(j sx.Job) {
	key := store.ConversionKey{Identity: j.Identity(), Options: j.Options.Key()}
	known, wanted := found[key]
	switch {
	case !wanted, known.State == sx.StateDone, known.JobID != "" && j.State != sx.StateDone:
		return
	case j.State == sx.StateDone:
		c, _ := sx.NewConversion(j, j.Updated)
		known.Tracks = convertedTracks(c.Tracks)
	}
	known.JobID, known.State = j.ID, j.State
	found[key] = known
}

func (found conversions) tracks() (n int) {
	for _, c := range found {
		n += len(c.Tracks)
	}
	return n
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
