package acceptance_test

import (
	"context"
	"log/slog"
	"maps"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/bus/membus"
	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/mongostore"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/mongodb"
)

// checkOutcome waits until everything has finished, reports the fault and the
// results, and returns the MP3s' digests, which must equal want unless that is
// nil.
func (b *batch) checkOutcome(fault string, want map[string]string) map[string]string {
	t := b.t
	t.Helper()
	got := b.outcome()
	matching := 0
	for name, sum := range got {
		if want == nil || want[name] == sum {
			matching++
		}
	}
	done, expirations, all := 0, 0, b.jobs()
	for _, j := range all {
		if j.State == sx.StateDone {
			done++
		}
		expirations += j.LeaseExpirations
	}
	jobs, notifications, requests := b.webhook.count()
	before := mongodb.Orphans(t, b.stack.Database)
	b.sweep()
	after := mongodb.Orphans(t, b.stack.Database)
	tracks, videos := b.count("tracks.files"), b.count("videos.files")

	testkit.Report(t, "fault: %s%s: %d jobs done of %d, %d leases expired, %d tracks, %d digests as without faults, "+
		"%d jobs notified by %d notifications in %d requests, %d orphan chunks and %d after a sweep",
		fault, b.statesAtFault, done, videoCount, expirations, tracks, matching, jobs, notifications, requests, before, after)
	if done != videoCount || len(all) != videoCount {
		t.Errorf("%d jobs of %d are done, want %d", done, len(all), videoCount)
	}
	if b.expires != (expirations > 0) {
		t.Errorf("%d leases expired, want some: %t", expirations, b.expires)
	}
	if tracks != videoCount || videos != videoCount {
		t.Errorf("%d tracks and %d videos are stored, want %d of each", tracks, videos, videoCount)
	}
	if len(got) != videoCount || want != nil && !maps.Equal(got, want) {
		t.Errorf("the digests are\n%v, want\n%v", got, want)
	}
	if jobs != videoCount || notifications != videoCount || requests != videoCount && !b.repeats {
		t.Errorf("%d notifications in %d requests for %d jobs, want one for each of %d", notifications, requests, jobs, videoCount)
	}
	if after != 0 {
		t.Errorf("%d orphan chunks are left after the sweep", after)
	}
	return got
}

// outcome waits until there is no work left, and returns the MP3s' digests.
func (b *batch) outcome() map[string]string {
	b.t.Helper()
	for _, p := range b.uploaders {
		p.finish()
	}
	b.until("all owners are notified", func() bool {
		for _, j := range b.jobs() {
			if j.Notification != sx.NotificationSent {
				return false
			}
		}
		return true
	})
	b.until("all notifications are delivered", func() bool {
		delivered, err := b.stack.Database.Collection("deliveries").CountDocuments(b.ctx, bson.D{{Key: "state", Value: sx.DeliveryDelivered}})
		if err != nil {
			b.t.Fatal(err)
		}
		return delivered >= videoCount
	})
	ch := b.channel()
	b.until("the queues are empty", func() bool {
		waiting := 0
		for _, q := range bus.Queues() {
			state, err := ch.QueueDeclarePassive(queue(q), false, false, false, false, nil)
			if err != nil {
				b.t.Fatal(err)
			}
			waiting += state.Messages
		}
		return waiting == 0
	})
	digests := map[string]string{}
	for _, p := range b.uploaders {
		maps.Copy(digests, p.download())
	}
	return digests
}

// finish waits until all videos are uploaded and all jobs are final.
func (p *uploader) finish() {
	p.t.Helper()
	if err := <-p.ended; err != nil {
		p.t.Fatalf("sx upload: %v\n%s", err, p.stderr.String())
	}
	if n := strings.Count(p.stdout.String(), "\n"); n != len(p.videos) {
		p.t.Errorf("sx upload printed %d lines for %d videos:\n%s", n, len(p.videos), p.stdout.String())
	}
	p.sx("", "watch")
}

func (b *batch) count(collection string) int64 {
	b.t.Helper()
	n, err := b.stack.Database.Collection(collection).CountDocuments(b.ctx, bson.D{})
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// later is how far the sweep's clock is ahead: longer than any upload or
// conversion of the test takes.
const later = 2 * time.Hour

// sweep has a converter sweep with a clock that is two hours ahead.
func (b *batch) sweep() {
	t := b.t
	t.Helper()
	now := func() time.Time { return time.Now().Add(later) }
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	opened, err := mongostore.Open(b.ctx, mongostore.Config{
		URI: b.stack.MongoDB.URI, Database: b.stack.Database.Name(), Log: log, Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = opened.Close() }()
	rounds := make(chan struct{})
	nothing := membus.New()
	service := converter.New(converter.Config{
		Updater: &jobs.Updater{Jobs: opened.Jobs, Bus: nothing, Log: log, Now: now}, Bus: nothing,
		Videos: opened.Videos, Tracks: counted{opened.Tracks, rounds}, Tasks: opened.Tasks, Limits: opened.Limits, Log: log, Now: now,
		SweepInterval: time.Millisecond,
	})
	ctx, cancel := context.WithCancel(b.ctx)
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	for range 2 { // when the second round starts, the first is complete
		<-rounds
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// counted signals each pass of a sweep.
type counted struct {
	store.Tracks
	rounds chan<- struct{}
}

func (c counted) List(ctx context.Context, cursor string, limit int) ([]string, string, error) {
	if cursor == "" {
		select {
		case c.rounds <- struct{}{}:
		case <-ctx.Done():
		}
	}
	return c.Tracks.List(ctx, cursor, limit)
}
