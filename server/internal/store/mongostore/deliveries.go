package mongostore

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type deliveries struct{ c collection }

var _ store.Deliveries = (*deliveries)(nil)

// deliveryDoc is a delivery as it is stored. Pending and Queue are derived, for queries.
type deliveryDoc struct {
	ID         string           `bson:"_id"`
	Rev        int64            `bson:"rev"`
	UserID     string           `bson:"user"`
	JobID      string           `bson:"job"`
	Trace      string           `bson:"trace"`
	Event      sx.Event         `bson:"event"`
	Channel    sx.Channel       `bson:"channel"`
	WebhookID  string           `bson:"webhook"`
	Target     string           `bson:"target"`
	Payload    []byte           `bson:"payload"`
	State      sx.DeliveryState `bson:"state"`
	Tries      int              `bson:"tries"`
	Due        time.Time        `bson:"due"`
	LastStatus int              `bson:"last_status"`
	LastError  string           `bson:"last_error"`
	Created    time.Time        `bson:"created"`
	Updated    time.Time        `bson:"updated"`

	Pending bool   `bson:"pending"`
	Queue   string `bson:"queue"`
}

func newDeliveryDoc(v sx.Delivery, rev int64) deliveryDoc {
	return deliveryDoc{
		ID: v.ID, Rev: rev, UserID: v.UserID, JobID: v.JobID, Trace: v.Trace, Event: v.Event,
		Channel: v.Channel, WebhookID: v.WebhookID, Target: v.Target, Payload: v.Payload,
		State: v.State, Tries: v.Tries, Due: v.Due, LastStatus: v.LastStatus, LastError: v.LastError,
		Created: v.Created, Updated: v.Updated,
		Pending: v.State == sx.DeliveryPending, Queue: v.Queue(),
	}
}

func (d deliveryDoc) key() (string, int64) { return d.ID, d.Rev }

func (d deliveryDoc) delivery() sx.Delivery {
	return sx.Delivery{
		ID: d.ID, Rev: d.Rev, UserID: d.UserID, JobID: d.JobID, Trace: d.Trace, Event: d.Event,
		Channel: d.Channel, WebhookID: d.WebhookID, Target: d.Target, Payload: d.Payload,
		State: d.State, Tries: d.Tries, Due: d.Due, LastStatus: d.LastStatus, LastError: d.LastError,
		Created: d.Created, Updated: d.Updated,
	}
}

func (s *deliveries) records() records[deliveryDoc] {
	return records[deliveryDoc]{s.c, "delivery"}
}

func (s *deliveries) Create(ctx context.Context, v sx.Delivery) error {
	return s.records().create(ctx, newDeliveryDoc(v, 1))
}

func (s *deliveries) Get(ctx context.Context, id string) (sx.Delivery, error) {
	d, err := s.records().get(ctx, id)
	return d.delivery(), err
}

func (s *deliveries) Replace(ctx context.Context, v sx.Delivery) error {
	return s.records().replaceAt(ctx, v.Rev, newDeliveryDoc(v, v.Rev+1))
}

func (s *deliveries) Due(ctx context.Context, now time.Time, busy store.Busy, limit int) (found []sx.Delivery, more bool, err error) {
	filter := bson.D{{Key: "pending", Value: true}, {Key: "due", Value: bson.D{{Key: "$lte", Value: now}}}}
	// The index has these fields too, so that what is busy is not read.
	if len(busy.Users) > 0 {
		filter = append(filter, bson.E{Key: "user", Value: bson.D{{Key: "$nin", Value: busy.Users}}})
	}
	if len(busy.Queues) > 0 {
		filter = append(filter, bson.E{Key: "queue", Value: bson.D{{Key: "$nin", Value: busy.Queues}}})
	}
	if busy.Email {
		filter = append(filter, bson.E{Key: "channel", Value: bson.D{{Key: "$ne", Value: sx.ChannelEmail}}})
	}
	ds, more, err := listUpTo[deliveryDoc](ctx, s.c, store.MaxPageBytes, filter,
		options.Find().SetSort(bson.D{{Key: "due", Value: 1}, {Key: "_id", Value: 1}}).SetLimit(int64(limit)+1))
	if len(ds) > limit {
		ds, more = ds[:limit], true
	}
	return deliveriesOf(ds), more, err
}

func (s *deliveries) List(ctx context.Context, userID string, after *store.Cursor, limit int) (found []sx.Delivery, next *store.Cursor, err error) {
	filter := bson.D{{Key: "user", Value: userID}}
	if after != nil {
		filter = append(filter, bson.E{Key: "created", Value: bson.D{{Key: "$lte", Value: after.Created}}}, olderThan(after))
	}
	ds, err := list[deliveryDoc](ctx, s.c, filter, options.Find().SetSort(newestFirst).SetLimit(int64(limit)+1).
		SetProjection(bson.D{{Key: "payload", Value: 0}}))
	if len(ds) > limit {
		ds = ds[:limit]
		last := ds[limit-1]
		next = &store.Cursor{Created: last.Created, ID: last.ID}
	}
	return deliveriesOf(ds), next, err
}

func deliveriesOf(ds []deliveryDoc) (found []sx.Delivery) {
	for _, d := range ds {
		found = append(found, d.delivery())
	}
	return found
}

func (s *deliveries) Surplus(ctx context.Context, userID string, keep int) ([]sx.Delivery, error) {
	ds, _, err := listUpTo[deliveryDoc](ctx, s.c, store.MaxPageBytes,
		bson.D{{Key: "user", Value: userID}, {Key: "pending", Value: true}}, beyond(keep))
	return deliveriesOf(ds), err
}

func (s *deliveries) TrimSettled(ctx context.Context, userID string, keep int) error {
	return s.c.deleteAll(ctx, bson.D{{Key: "user", Value: userID}, {Key: "pending", Value: false}}, beyond(keep))
}

// beyond selects what is older than the newest keep. What it passes over is read from the
// index only.
func beyond(keep int) *options.FindOptionsBuilder {
	return options.Find().SetSort(newestFirst).SetSkip(int64(keep))
}

func (s *deliveries) DeleteOf(ctx context.Context, userID string) error {
	return s.c.deleteAll(ctx, bson.D{{Key: "user", Value: userID}})
}

func (s *deliveries) DeleteSettled(ctx context.Context, before time.Time) error {
	return s.c.deleteAll(ctx, bson.D{
		{Key: "pending", Value: false}, {Key: "created", Value: bson.D{{Key: "$lt", Value: before}}},
	})
}
