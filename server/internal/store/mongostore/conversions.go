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

func newConversionDoc(c sx.Conversion) conversionDoc {
	d := conversionDoc{
		ID:    c.Owner + "/" + c.Identity + "/" + c.Options,
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
	return s.trim(ctx, c.Owner, keep)
}

// trim removes the owner's records beyond the newest keep, when it is due. It reads
// only the index.
func (s *conversions) trim(ctx context.Context, owner string, keep int) error {
	if !store.TrimDue(keep) {
		return nil
	}
	oldest, err := list[struct {
		ID string `bson:"_id"`
	}](ctx, s.c, bson.D{{Key: "owner", Value: owner}}, options.Find().
		SetSort(bson.D{{Key: "recorded", Value: -1}, {Key: "_id", Value: -1}}).SetSkip(int64(keep)).
		SetProjection(bson.D{{Key: "_id", Value: 1}}))
	for _, d := range oldest {
		err = errors.Join(err, s.c.deleteID(ctx, d.ID))
	}
	return err
}

func (s *conversions) DeleteOf(ctx context.Context, owner string) error {
	return s.c.deleteAll(ctx, bson.D{{Key: "owner", Value: owner}})
}

func (s *conversions) Find(ctx context.Context, owner string, identities []string) ([]sx.Conversion, error) {
	ds, err := list[conversionDoc](ctx, s.c, bson.D{
		{Key: "owner", Value: owner}, {Key: "identity", Value: bson.D{{Key: "$in", Value: append([]string{}, identities...)}}},
	})
	var found []sx.Conversion
	for _, d := range ds {
		found = append(found, d.conversion())
	}
	return found, err
}
