package mongostore

import (
	"strings"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// jobDoc is a job as it is stored. The last three fields follow from the
// others, for the queries.
type jobDoc struct {
	ID               string               `bson:"_id"`
	Rev              int64                `bson:"rev"`
	Owner            string               `bson:"owner"`
	State            sx.State             `bson:"state"`
	Options          optionsDoc           `bson:"options"`
	Video            videoDoc             `bson:"video"`
	Track            *trackDoc            `bson:"track,omitempty"`
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
	Bytes     int64  `bson:"bytes"`  // see Usage
	Search    string `bson:"search"` // the video's name in lower case
}

type optionsDoc struct {
	Preset  sx.Preset `bson:"preset"`
	Bitrate int       `bson:"bitrate"`
	Quality *int      `bson:"quality,omitempty"`
	Mono    bool      `bson:"mono"`
	Track   string    `bson:"track"`
}

type videoDoc struct {
	Name   string `bson:"name"`
	Size   int64  `bson:"size"`
	SHA256 string `bson:"sha256"`
}

type trackDoc struct {
	ID       string        `bson:"id"`
	Size     int64         `bson:"size"`
	SHA256   string        `bson:"sha256"`
	Duration time.Duration `bson:"duration"` // nanoseconds
}

type errorDoc struct {
	Code    sx.Code `bson:"code"`
	Message string  `bson:"message"`
	Hint    string  `bson:"hint"`
}

func newJobDoc(j sx.Job, rev int64) jobDoc {
	d := jobDoc{
		ID: j.ID, Rev: rev, Owner: j.Owner, State: j.State,
		Options: optionsDoc(j.Options), Video: videoDoc(j.Video),
		Progress: j.Progress, Remaining: j.Remaining,
		Attempt: j.Attempt, Failures: j.Failures, LeaseExpirations: j.LeaseExpirations,
		Worker: j.Worker, Lease: j.Lease, NotBefore: j.NotBefore, Notification: j.Notification,
		Created: j.Created, Updated: j.Updated,
		Unsettled: !j.Settled(), Bytes: store.StoredBytes(j), Search: strings.ToLower(j.Video.Name),
	}
	if j.Track != nil {
		t := trackDoc(*j.Track)
		d.Track = &t
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
		Options: sx.Options(d.Options), Video: sx.Video(d.Video),
		Progress: d.Progress, Remaining: d.Remaining,
		Attempt: d.Attempt, Failures: d.Failures, LeaseExpirations: d.LeaseExpirations,
		Worker: d.Worker, Lease: d.Lease, NotBefore: d.NotBefore, Notification: d.Notification,
		Created: d.Created, Updated: d.Updated,
	}
	if d.Track != nil {
		t := sx.Track(*d.Track)
		j.Track = &t
	}
	if d.Error != nil {
		j.Error = &sx.Error{Code: d.Error.Code, Message: d.Error.Message, Hint: d.Error.Hint}
	}
	return j
}
