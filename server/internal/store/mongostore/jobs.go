package mongostore

import (
	"context"
	"regexp"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type jobs struct{ c collection }

var _ store.Jobs = (*jobs)(nil)

// jobDoc is a job as it is stored. The last three fields are derived from the
// others, for queries.
type jobDoc struct {
	ID               string               `bson:"_id"`
	Rev              int64                `bson:"rev"`
	Owner            string               `bson:"owner"`
	State            sx.State             `bson:"state"`
	Options          optionsDoc           `bson:"options"`
	Sent             sentDoc              `bson:"sent"`
	Sources          []sourceDoc          `bson:"sources"`
	Tracks           []trackDoc           `bson:"tracks"`
	Labels           []string             `bson:"labels"`
	Warnings         []warningDoc         `bson:"warnings"`
	Error            *errorDoc            `bson:"error,omitempty"`
	Progress         float64              `bson:"progress"`
	Remaining        time.Duration        `bson:"remaining"` // nanoseconds
	Attempt          int                  `bson:"attempt"`
	Failures         int                  `bson:"failures"`
	LeaseExpirations int                  `bson:"lease_expirations"`
	Worker           string               `bson:"worker"`
	Lease            time.Time            `bson:"lease"`
	NotBefore        time.Time            `bson:"not_before"`
	Notification     sx.NotificationState `bson:"notification"`
	Created          time.Time            `bson:"created"`
	Updated          time.Time            `bson:"updated"`

	Unsettled bool   `bson:"unsettled"`
	Bytes     int64  `bson:"bytes"`  // see store.StoredBytes
	Search    string `bson:"search"` // the video's name in lower case
}

type optionsDoc struct {
	Preset      sx.Preset `bson:"preset"`
	Bitrate     int       `bson:"bitrate"`
	Quality     *int      `bson:"quality,omitempty"`
	Mono        bool      `bson:"mono"`
	Track       string    `bson:"track"`
	KeepAllTags bool      `bson:"keep_all_tags"`
	Title       string    `bson:"title"`
	Artist      string    `bson:"artist"`
	Album       string    `bson:"album"`
}

type sentDoc struct {
	Name      string `bson:"name"`
	Size      int64  `bson:"size"`
	SHA256    string `bson:"sha256"`
	AudioOnly bool   `bson:"audio_only"`
}

type sourceDoc struct {
	Name     string `bson:"name"`
	Size     int64  `bson:"size"`
	SHA256   string `bson:"sha256"`
	Identity string `bson:"identity"`
}

type warningDoc struct {
	Code    string `bson:"code"`
	Message string `bson:"message"`
}

type trackDoc struct {
	Number   int           `bson:"number"`
	ID       string        `bson:"id"`
	Name     string        `bson:"name"`
	Size     int64         `bson:"size"`
	SHA256   string        `bson:"sha256"`
	Duration time.Duration `bson:"duration"` // nanoseconds
	Title    string        `bson:"title"`
	Artist   string        `bson:"artist"`
	Album    string        `bson:"album"`
}

type errorDoc struct {
	Code    sx.Code `bson:"code"`
	Message string  `bson:"message"`
	Hint    string  `bson:"hint"`
}

func newJobDoc(j sx.Job, rev int64) jobDoc {
	d := jobDoc{
		ID: j.ID, Rev: rev, Owner: j.Owner, State: j.State,
		Options: optionsDoc(j.Options), Sent: sentDoc(j.Sent),
		Sources: []sourceDoc{}, Tracks: []trackDoc{}, Labels: append([]string{}, j.Labels...), Warnings: []warningDoc{},
		Progress: j.Progress, Remaining: j.Remaining,
		Attempt: j.Attempt, Failures: j.Failures, LeaseExpirations: j.LeaseExpirations,
		Worker: j.Worker, Lease: j.Lease, NotBefore: j.NotBefore, Notification: j.Notification,
		Created: j.Created, Updated: j.Updated,
		Unsettled: !j.Settled(), Bytes: store.StoredBytes(j), Search: strings.ToLower(j.Sent.Name),
	}
	for _, f := range j.Sources {
		d.Sources = append(d.Sources, sourceDoc(f))
	}
	for _, t := range j.Tracks {
		d.Tracks = append(d.Tracks, trackDoc(t))
	}
	for _, w := range j.Warnings {
		d.Warnings = append(d.Warnings, warningDoc(w))
	}
	if j.Error != nil {
		d.Error = &errorDoc{Code: j.Error.Code, Message: j.Error.Message, Hint: j.Error.Hint}
	}
	return d
}

func (d jobDoc) key() (string, int64) { return d.ID, d.Rev }

func (d jobDoc) job() sx.Job {
	j := sx.Job{
		ID: d.ID, Rev: d.Rev, Owner: d.Owner, State: d.State,
		Options: sx.Options(d.Options), Sent: sx.Sent(d.Sent),
		Progress: d.Progress, Remaining: d.Remaining,
		Attempt: d.Attempt, Failures: d.Failures, LeaseExpirations: d.LeaseExpirations,
		Worker: d.Worker, Lease: d.Lease, NotBefore: d.NotBefore, Notification: d.Notification,
		Created: d.Created, Updated: d.Updated,
	}
	for _, f := range d.Sources {
		j.Sources = append(j.Sources, sx.Source(f))
	}
	for _, t := range d.Tracks {
		j.Tracks = append(j.Tracks, sx.Track(t))
	}
	if len(d.Labels) > 0 {
		j.Labels = d.Labels
	}
	for _, w := range d.Warnings {
		j.Warnings = append(j.Warnings, sx.Warning(w))
	}
	if d.Error != nil {
		j.Error = &sx.Error{Code: d.Error.Code, Message: d.Error.Message, Hint: d.Error.Hint}
	}
	return j
}

func (s *jobs) records() records[jobDoc] { return records[jobDoc]{s.c, "job"} }

func (s *jobs) Create(ctx context.Context, j sx.Job) error {
	return s.records().create(ctx, newJobDoc(j, 1))
}

func (s *jobs) Get(ctx context.Context, id string) (sx.Job, error) {
	d, err := s.records().get(ctx, id)
	return d.job(), err
}

func (s *jobs) Replace(ctx context.Context, j sx.Job) error {
	return s.records().replaceAt(ctx, j.Rev, newJobDoc(j, j.Rev+1))
}

func (s *jobs) Delete(ctx context.Context, j sx.Job) error {
	return s.records().deleteAt(ctx, j.ID, j.Rev)
}

func (s *jobs) List(ctx context.Context, f store.JobFilter) (list []sx.Job, more bool, err error) {
	o := options.Find().SetSort(bson.D{{Key: "created", Value: -1}, {Key: "_id", Value: -1}})
	if f.Limit > 0 {
		o.SetLimit(int64(f.Limit) + 1)
	}
	list, err = s.find(ctx, jobQuery(f), o)
	if f.Limit > 0 && len(list) > f.Limit {
		return list[:f.Limit], true, err
	}
	return list, false, err
}

func (s *jobs) Unsettled(ctx context.Context) ([]sx.Job, error) {
	return s.find(ctx, bson.D{{Key: "unsettled", Value: true}},
		options.Find().SetSort(bson.D{{Key: "created", Value: 1}, {Key: "_id", Value: 1}}))
}

// NextQueued reads only the index, and of it only the entries of the other owners.
func (s *jobs) NextQueued(ctx context.Context, now time.Time, except []string) (string, error) {
	filter := bson.D{
		{Key: "state", Value: sx.StateQueued},
		{Key: "owner", Value: bson.D{{Key: "$nin", Value: append([]string{}, except...)}}}, // never null
		{Key: "not_before", Value: bson.D{{Key: "$lte", Value: now}}},
	}
	found, err := list[struct {
		ID string `bson:"_id"`
	}](ctx, s.c, filter, options.Find().
		SetSort(bson.D{{Key: "created", Value: 1}, {Key: "_id", Value: 1}}).
		SetProjection(bson.D{{Key: "_id", Value: 1}}).SetLimit(1))
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0].ID, nil
}

func (s *jobs) find(ctx context.Context, filter bson.D, o *options.FindOptionsBuilder) ([]sx.Job, error) {
	ds, err := list[jobDoc](ctx, s.c, filter, o)
	var found []sx.Job
	for _, d := range ds {
		found = append(found, d.job())
	}
	return found, err
}

func jobQuery(f store.JobFilter) bson.D {
	q := bson.D{}
	also := func(field string, value any) { q = append(q, bson.E{Key: field, Value: value}) }
	if f.Owner != "" {
		also("owner", f.Owner)
	}
	if len(f.States) > 0 {
		also("state", bson.D{{Key: "$in", Value: f.States}})
	}
	if len(f.IDs) > 0 {
		also("_id", bson.D{{Key: "$in", Value: f.IDs}})
	}
	if f.Name != "" {
		also("search", bson.Regex{Pattern: regexp.QuoteMeta(strings.ToLower(f.Name))})
	}
	if len(f.Labels) > 0 {
		also("labels", bson.D{{Key: "$all", Value: f.Labels}})
	}
	if len(f.Identities) > 0 {
		also("sources.identity", bson.D{{Key: "$in", Value: f.Identities}})
	}
	if f.After != nil {
		// Implied by the second condition, but an index can use it.
		also("created", bson.D{{Key: "$lte", Value: f.After.Created}})
		also("$or", bson.A{
			bson.D{{Key: "created", Value: bson.D{{Key: "$lt", Value: f.After.Created}}}},
			bson.D{{Key: "_id", Value: bson.D{{Key: "$lt", Value: f.After.ID}}}},
		})
	}
	return q
}

func (s *jobs) Usage(ctx context.Context, owner string) (int64, error) {
	var sums []struct {
		Bytes int64 `bson:"bytes"`
	}
	err := s.c.do(ctx, "aggregate", func(ctx context.Context) error {
		cursor, err := s.c.c.Aggregate(ctx, bson.A{
			bson.D{{Key: "$match", Value: bson.D{{Key: "owner", Value: owner}}}},
			bson.D{{Key: "$group", Value: bson.D{
				{Key: "_id", Value: nil},
				{Key: "bytes", Value: bson.D{{Key: "$sum", Value: "$bytes"}}},
			}}},
		})
		if err != nil {
			return err
		}
		return cursor.All(ctx, &sums)
	})
	if err != nil || len(sums) == 0 {
		return 0, err
	}
	return sums[0].Bytes, nil
}
