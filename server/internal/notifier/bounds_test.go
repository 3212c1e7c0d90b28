package notifier_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// fewer is a store for which a thousandth of what an account may have is too many, so that a
// test need not store 10,000 deliveries.
type fewer struct{ store.Deliveries }

func (d fewer) Surplus(ctx context.Context, user string, keep int) ([]sx.Delivery, error) {
	return d.Deliveries.Surplus(ctx, user, keep/1000)
}

func (d fewer) TrimSettled(ctx context.Context, user string, keep int) error {
	return d.Deliveries.TrimSettled(ctx, user, keep/1000)
}

func TestDeliveriesAreBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cfg := f.config()
	cfg.Deliveries = fewer{f.store.Deliveries}
	s := f.start(cfg)
	release := make(chan struct{})
	defer close(release)
	r := receive(t, func(http.ResponseWriter, *http.Request) { <-release })
	made := s.addWebhook("ada", r.url)
	const each = 12
	now := f.now()
	for i := range 2 * each {
		d := sx.Delivery{
			ID: "d" + strconv.Itoa(i), UserID: "ada", Event: sx.EventTest, Channel: sx.ChannelWebhook, WebhookID: made.ID,
			Payload: []byte("{}"), State: sx.DeliveryFailed, Due: now.Add(time.Hour), Created: now.Add(time.Duration(i)*time.Second - time.Hour),
		}
		if i >= each {
			d.State = sx.DeliveryPending
		}
		if err := f.store.Deliveries.Create(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	f.waitForNotified(f.finishJob("ada", "talk.mp4", nil))
	list := s.deliveries("ada")
	count := map[sx.DeliveryState]int{}
	for _, d := range list {
		count[d.State]++
	}
	if len(list) != 20 || count[sx.DeliveryPending] != 10 || count[sx.DeliveryFailed] != 10 {
		t.Fatalf("%d deliveries: %v", len(list), count)
	}
	for i, d := range list { // the job's, 11 older ones that were pending, and those that had failed
		failed := i >= 10 && i < 13
		if is := strings.Contains(d.LastError, "more than 10000 notifications were pending"); is != failed {
			t.Errorf("delivery %d is %+v", i, d)
		}
	}
	if _, err := s.as("ada").Replay(t.Context(), "d12"); err != nil {
		t.Errorf("a delivery that was not sent: %v", err)
	}
}

func TestEventsAreBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.start(f.config())
	r := receive(t, nil)
	made := s.addWebhook("ada", r.url)
	j := f.finishJob("ada", "large.mp4", nil, sx.NewWarning(sx.WarningTags, "the cover is lost"))
	p := r.next()
	verify(t, p, made.Secret)
	job, omitted := p.event.Data.Job, p.event.Data.Omitted
	if len(p.body) > 16<<10 || job.ID != j.ID || len(job.Tracks) > 0 || omitted == nil || omitted.Tracks != sx.MaxTracks {
		t.Fatalf("an event of %d bytes: %+v, omitted: %+v", len(p.body), job, omitted)
	}
	if len(job.Warnings) != 1 || omitted.Warnings != 0 {
		t.Errorf("the warnings are %+v, omitted: %+v", job.Warnings, omitted)
	}
}
