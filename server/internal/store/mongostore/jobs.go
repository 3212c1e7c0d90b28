package mongostore

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

type jobs struct {
	c      collection
	owners owners
	log    *slog.Logger
}

var _ store.Jobs = (*jobs)(nil)

// jobDoc is a job as it is stored. The last fields are derived from the others, for
// queries.
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
	Priority         sx.Priority          `bson:"priority"`
	Warnings         []warningDoc         `bson:"warnings"`
	Error            *errorDoc            `bson:"error,omitempty"`
	Progress         float64              `bson:"progress"`
	Remaining        time.Duration        `bson:"remaining"` // nanoseconds
	Attempt          int                  `bson:"attempt"`
	Reserved         int64                `bson:"reserved"`
	Failures         int                  `bson:"failures"`
	LeaseExpirations int                  `bson:"lease_expirations"`
	Worker           string               `bson:"worker"`
	Lease            time.Time            `bson:"lease"`
	Attempts         []attemptDoc         `bson:"attempts"`
	Queued           time.Time            `bson:"queued"`
	Trace            string               `bson:"trace"`
	NotBefore        time.Time            `bson:"not_before"`
	Check            time.Time            `bson:"check"`
	Ended            time.Time            `bson:"ended"`
	Announced        time.Time            `bson:"announced"`
	VideoDeleted     bool                 `bson:"video_deleted"`
	Shares           []shareDoc           `bson:"shares"`
	Notification     sx.NotificationState `bson:"notification"`
	Created          time.Time            `bson:"created"`
	Updated          time.Time            `bson:"updated"`

	Since   time.Time `bson:"since"` // when the job entered its state
	Code    sx.Code   `bson:"code"`  // of the error
	Action  sx.Action `bson:"action"`
	Due     time.Time `bson:"due"`     // when the action is
	Waiting string    `bson:"waiting"` // the priority as text if the job waits for a converter
	Part    partDoc   `bson:"part"`
	Search  string    `bson:"search"` // the video's name in lower case
	Shared  bool      `bson:"shared"` // there are shares
}

type shareDoc struct {
	ID      string    `bson:"id"`
	Hash    string    `bson:"hash"`
	Created time.Time `bson:"created"`
	Expires time.Time `bson:"expires"`
	Uses    int       `bson:"uses"`
	Used    time.Time `bson:"used"`
}

type optionsDoc struct {
	Preset        sx.Preset `bson:"preset"`
	Bitrate       int       `bson:"bitrate"`
	Quality       *int      `bson:"quality,omitempty"`
	Mono          bool      `bson:"mono"`
	Track         string    `bson:"track"`
	KeepAllTags   bool      `bson:"keep_all_tags"`
	Start         float64   `bson:"start"`
	End           float64   `bson:"end"`
	Loudness      string    `bson:"loudness"`
	SplitChapters bool      `bson:"split_chapters"`
	SplitEvery    float64   `bson:"split_every"`
	Title         string    `bson:"title"`
	Artist        string    `bson:"artist"`
	Album         string    `bson:"album"`
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
	Sent     int64  `bson:"sent"`
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

type attemptDoc struct {
	Number   int              `bson:"number"`
	Host     string           `bson:"host"`
	Started  time.Time        `bson:"started"`
	Ended    time.Time        `bson:"ended"`
	Result   sx.AttemptResult `bson:"result"`
	Error    *errorDoc        `bson:"error,omitempty"`
	Messages []string         `bson:"messages,omitempty"`
}

func newAttemptDoc(a sx.Attempt) attemptDoc {
	return attemptDoc{a.Number, a.Host, a.Started, a.Ended, a.Result, newErrorDoc(a.Error), a.Messages}
}

func (d attemptDoc) attempt() sx.Attempt {
	return sx.Attempt{
		Number: d.Number, Host: d.Host, Started: d.Started, Ended: d.Ended, Result: d.Result,
		Error: d.Error.error(), Messages: d.Messages,
	}
}

type errorDoc struct {
	Code    sx.Code `bson:"code"`
	Message string  `bson:"message"`
	Hint    string  `bson:"hint"`
	// RetryAfter is in nanoseconds.
	RetryAfter time.Duration `bson:"retry_after,omitempty"`
}

// newErrorDoc returns nil for nil.
func newErrorDoc(e *sx.Error) *errorDoc {
	if e == nil {
		return nil
	}
	return &errorDoc{Code: e.Code, Message: e.Message, Hint: e.Hint, RetryAfter: e.RetryAfter}
}

// error returns nil for nil.
func (d *errorDoc) error() *sx.Error {
	if d == nil {
		return nil
	}
	return &sx.Error{Code: d.Code, Message: d.Message, Hint: d.Hint, RetryAfter: d.RetryAfter}
}

func newJobDoc(j sx.Job, rev int64) jobDoc {
	d := jobDoc{
		ID: j.ID, Rev: rev, Owner: j.Owner, State: j.State,
		Options: optionsDoc(j.Options), Sent: sentDoc(j.Sent),
		Sources: []sourceDoc{}, Tracks: []trackDoc{}, Attempts: []attemptDoc{}, Labels: append([]string{}, j.Labels...), Warnings: []warningDoc{}, Shares: []shareDoc{},
		Priority: j.Priority, Progress: j.Progress, Remaining: j.Remaining,
		Attempt: j.Attempt, Reserved: j.Reserved, Failures: j.Failures, LeaseExpirations: j.LeaseExpirations,
		Worker: j.Worker, Lease: j.Lease, NotBefore: j.NotBefore, Check: j.Check, Notification: j.Notification,
		Ended: j.Ended, Announced: j.Announced, VideoDeleted: j.VideoDeleted,
		Created: j.Created, Updated: j.Updated, Queued: j.Queued, Trace: j.Trace, Error: newErrorDoc(j.Error),
		Since: j.Since(), Part: newPartDoc(store.PartOf(&j)), Search: strings.ToLower(j.Sent.Name), Shared: len(j.Shares) > 0,
	}
	if j.Error != nil {
		d.Code = j.Error.Code
	}
	d.Action, d.Due = j.NextAction()
	d.Waiting = d.Part.part().Waits()
	for _, f := range j.Sources {
		d.Sources = append(d.Sources, sourceDoc(f))
	}
	for _, t := range j.Tracks {
		d.Tracks = append(d.Tracks, trackDoc(t))
	}
	for _, s := range j.Shares {
		d.Shares = append(d.Shares, shareDoc(s))
	}
	for _, w := range j.Warnings {
		d.Warnings = append(d.Warnings, warningDoc(w))
	}
	for _, a := range j.Attempts {
		d.Attempts = append(d.Attempts, newAttemptDoc(a))
	}
	return d
}

func (d jobDoc) key() (string, int64) { return d.ID, d.Rev }

func (d jobDoc) job() sx.Job {
	j := sx.Job{
		ID: d.ID, Rev: d.Rev, Owner: d.Owner, State: d.State,
		Options: sx.Options(d.Options), Sent: sx.Sent(d.Sent),
		Priority: d.Priority, Progress: d.Progress, Remaining: d.Remaining,
		Attempt: d.Attempt, Reserved: d.Reserved, Failures: d.Failures, LeaseExpirations: d.LeaseExpirations,
		Worker: d.Worker, Lease: d.Lease, NotBefore: d.NotBefore, Check: d.Check, Notification: d.Notification,
		Ended: d.Ended, Announced: d.Announced, VideoDeleted: d.VideoDeleted,
		Created: d.Created, Updated: d.Updated, Queued: d.Queued, Trace: d.Trace, Error: d.Error.error(),
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
	for _, s := range d.Shares {
		j.Shares = append(j.Shares, sx.Share(s))
	}
	for _, w := range d.Warnings {
		j.Warnings = append(j.Warnings, sx.Warning(w))
	}
	for _, a := range d.Attempts {
		j.Attempts = append(j.Attempts, a.attempt())
	}
	return j
}

func (s *jobs) records() records[jobDoc] { return records[jobDoc]{s.c, "job"} }

func (s *jobs) Get(ctx context.Context, id string) (sx.Job, error) {
	d, err := s.records().get(ctx, id)
	return d.job(), err
}

// Create, Replace and Delete also change the totals of the job's owner: what the job
// adds before they change the job, and the rest afterwards. A crash in between, or an
// error of the second part, leaves totals that are too large, or an owner's waiting jobs
// unknown to NextWaiting, until Recount has corrected them.

func (s *jobs) Create(ctx context.Context, j sx.Job) error {
	if err := store.CheckName(j.Sent.Name); err != nil {
		return err
	}
	after := store.PartOf(&j)
	if err := s.owners.chargeNew(ctx, j.Owner, after, j.Created); err != nil {
		return err
	}
	err := s.records().create(ctx, newJobDoc(j, 1))
	switch {
	case err == nil:
		s.owners.settle(ctx, j.Owner, store.Part{}, after)
	case sx.CodeOf(err) == sx.CodeConflict: // nothing was stored
		s.owners.refund(ctx, j.Owner, store.Part{}, after)
		s.owners.uncount(ctx, j.Owner, j.Created)
	}
	return err
}

func (s *jobs) Replace(ctx context.Context, j sx.Job) error {
	if err := store.CheckName(j.Sent.Name); err != nil {
		return err
	}
	old, err := s.stored(ctx, j.ID)
	switch {
	case err != nil:
		return err
	case old.Rev != j.Rev:
		return store.ErrStale
	}
	before, after := old.Part.part(), store.PartOf(&j)
	if err := s.owners.charge(ctx, j.Owner, before, after); err != nil {
		return err
	}
	err = s.records().replaceAt(ctx, j.Rev, newJobDoc(j, j.Rev+1))
	switch {
	case err == nil:
		s.owners.settle(ctx, j.Owner, before, after)
		if before.Waits() != "" && before.Waits() != after.Waits() {
			s.clearIfNone(ctx, j.Owner, before.Priority)
		}
	case errors.Is(err, store.ErrStale), sx.CodeOf(err) == sx.CodeNotFound: // nothing was stored
		s.owners.refund(ctx, j.Owner, before, after)
	}
	return err
}

func (s *jobs) Delete(ctx context.Context, j sx.Job) error {
	old, err := s.stored(ctx, j.ID)
	switch {
	case sx.CodeOf(err) == sx.CodeNotFound:
		return nil
	case err != nil:
		return err
	}
	deleted, err := s.c.delete(ctx, atRev(j.ID, j.Rev))
	if err != nil {
		return err
	}
	if !deleted { // it was changed, or another call deleted it
		return s.records().deleteAt(ctx, j.ID, j.Rev)
	}
	if j.Rev == 1 {
		s.owners.uncount(ctx, old.Owner, old.Created)
	}
	before := old.Part.part()
	s.owners.settle(ctx, old.Owner, before, store.Part{})
	if before.Waits() != "" {
		s.clearIfNone(ctx, old.Owner, before.Priority)
	}
	return nil
}

// storedDoc has the fields of a stored job that a change of it depends on.
type storedDoc struct {
	ID      string    `bson:"_id"`
	Rev     int64     `bson:"rev"`
	Owner   string    `bson:"owner"`
	Created time.Time `bson:"created"`
	Part    partDoc   `bson:"part"`
}

var storedFields = bson.D{{Key: "rev", Value: 1}, {Key: "owner", Value: 1}, {Key: "created", Value: 1}, {Key: "part", Value: 1}}

func (s *jobs) stored(ctx context.Context, id string) (storedDoc, error) {
	ds, err := list[storedDoc](ctx, s.c, bson.D{{Key: "_id", Value: id}}, options.Find().SetProjection(storedFields).SetLimit(1))
	if err != nil {
		return storedDoc{}, err
	}
	if len(ds) == 0 {
		return storedDoc{}, sx.NewError(sx.CodeNotFound, "job %s not found", id)
	}
	return ds[0], nil
}
