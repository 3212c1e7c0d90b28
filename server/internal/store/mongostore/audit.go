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

type audit struct{ c collection }

var _ store.Audit = (*audit)(nil)

type auditDoc struct {
	ID      string         `bson:"_id"`
	Time    time.Time      `bson:"time"`
	Actor   string         `bson:"actor"`
	Action  sx.AuditAction `bson:"action"`
	Account string         `bson:"account"`
	Address string         `bson:"address"`
	Result  sx.Code        `bson:"result"`
}

func (s *audit) Append(ctx context.Context, e sx.AuditEntry) error {
	err := s.c.insert(ctx, auditDoc(e))
	if errors.Is(err, errExists) {
		err = sx.NewError(sx.CodeConflict, "audit entry %s already exists", e.ID)
	}
	return err
}

func (s *audit) List(ctx context.Context, f store.AuditFilter) (entries []sx.AuditEntry, more bool, err error) {
	filter := bson.D{}
	if f.Account != "" {
		filter = append(filter, bson.E{Key: "account", Value: f.Account})
	}
	ids := bson.D{{Key: "$gte", Value: f.From()}}
	if f.After != "" {
		ids = append(ids, bson.E{Key: "$lt", Value: f.After})
	}
	ds, err := list[auditDoc](ctx, s.c, append(filter, bson.E{Key: "_id", Value: ids}),
		options.Find().SetSort(bson.D{{Key: "_id", Value: -1}}).SetLimit(int64(f.Limit)+1))
	if more = len(ds) > f.Limit; more {
		ds = ds[:f.Limit]
	}
	for _, d := range ds {
		entries = append(entries, sx.AuditEntry(d))
	}
	return entries, more, err
}

func (s *audit) DeleteBefore(ctx context.Context, before time.Time) error {
	return s.c.deleteAll(ctx, bson.D{{Key: "time", Value: bson.D{{Key: "$lt", Value: before}}}})
}
