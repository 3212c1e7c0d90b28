package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type conversions struct{ c collection }

var _ store.Conversions = (*conversions)(nil)

// conversionDoc is a record. Its _id is derived from the owner, the identity and the
// options, which contain no slash.
type conversionDoc struct {
	ID       string              `bson:"_id"`
	Owner    string              `bson:"owner"`
	Identity string              `bson:"identity"`
	Options  string              `bson:"options"`
	Tracks   []convertedTrackDoc `bson:"tracks"`
	Recorded time.Time           `bson:"recorded"`
}

type convertedTrackDoc struct {
	Number int    `bson:"number"`
	Size   int64  `bson:"size"`
	SHA256 string `bson:"sha256"`
}

func conversionID(owner, identity, options string) string {
	return owner + "/" + identity + "/" + options
}

func newConversionDoc(c sx.Conversion) conversionDoc {
	d := conversionDoc{
		ID:    conversionID(c.Owner, c.Identity, c.Options),
		Owner: c.Owner, Identity: c.Identity, Options: c.Options, Tracks: []convertedTrackDoc{}, Recorded: c.Recorded,
	}
	for _, t := range c.Tracks {
		d.Tracks = append(d.Tracks, convertedTrackDoc(t))
	}
	return d
}

func (d conversionDoc) conversion() sx.Conversion {
	c := sx.Conversion{Owner: d.Owner, Identity: d.Identity, Options: d.Options, Recorded: d.Recorded}
	for _, t := range d.Tracks {
		c.Tracks = append(c.Tracks, sx.ConvertedTrack(t))
	}
	return c
}

// Put inserts the record or replaces it; if it is inserted by another process
// meanwhile, it replaces that one.
func (s *conversions) Put(ctx context.Context, c sx.Conversion, keep int) error {
	d := newConversionDoc(c)
	filter := bson.D{{Key: "_id", Value: d.ID}}
	matched, err := s.c.replace(ctx, filter, d)
	if err == nil && !matched {
		if err = s.c.insert(ctx, d); errors.Is(err, errExists) {
			_, err = s.c.replace(ctx, filter, d)
		}
	}
	if err != nil {
		return err
	}
	return s.trim(ctx, c, keep)
}

// trim removes the oldest records of the owner, until the others have at most keep tracks,
// when it is due after a record was put. It reads only the tracks' numbers.
func (s *conversions) trim(ctx context.Context, put sx.Conversion, keep int) error {
	if !store.TrimDue(keep, len(put.Tracks)) {
		return nil
	}
	newest, err := list[struct {
		ID     string     `bson:"_id"`
		Tracks []struct{} `bson:"tracks"`
	}](ctx, s.c, bson.D{{Key: "owner", Value: put.Owner}}, options.Find().
		SetSort(bson.D{{Key: "recorded", Value: -1}, {Key: "_id", Value: -1}}).
		SetProjection(bson.D{{Key: "_id", Value: 1}, {Key: markKey, Value: 1}, {Key: "tracks.number", Value: 1}}))
	tracks := 0
	for _, d := range newest {
		if tracks += len(d.Tracks); tracks > keep {
			err = errors.Join(err, s.c.deleteID(ctx, d.ID))
		}
	}
	return err
}

func (s *conversions) DeleteOf(ctx context.Context, owner string) error {
	return s.c.deleteAll(ctx, bson.D{{Key: "owner", Value: owner}})
}

func (s *conversions) Find(ctx context.Context, owner string, keys []store.ConversionKey) ([]sx.Conversion, error) {
	ids := []string{}
	for _, k := range keys {
		ids = append(ids, conversionID(owner, k.Identity, k.Options))
	}
	ds, err := list[conversionDoc](ctx, s.c, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
	var found []sx.Conversion
	for _, d := range ds {
		found = append(found, d.conversion())
	}
	return found, err
}
