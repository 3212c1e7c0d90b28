package notifier_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/notifier"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// atNoon sets the clock to the next noon UTC.
func (f *fixture) atNoon() time.Time {
	const day = 24 * time.Hour
	now := f.now()
	f.advance(now.Truncate(day).Add(day + day/2).Sub(now))
	return f.now().UTC().Truncate(day)
}

// toDelete creates a job whose deletion is to be announced.
func (f *fixture) toDelete(owner, name string, at time.Time) sx.Job {
	f.t.Helper()
	now := f.now()
	j := sx.NewJob(owner, sx.NewUpload{Source: sx.Source{Name: name}, Size: 1000}, now)
	j.State, j.Notification, j.Announced, j.Check, j.Ended = sx.StateDone, sx.NotificationDeletion, at, now, now
	if err := f.store.Jobs.Create(f.t.Context(), j); err != nil {
		f.t.Fatal(err)
	}
	return j
}

// waitForAnnounced waits until the owner was notified of the deletion at the time.
func (f *fixture) waitForAnnounced(j sx.Job, at time.Time) {
	f.t.Helper()
	var now sx.Job
	testkit.Eventually(f.t, "the deletion is announced", func() bool {
		var err error
		now, err = f.store.Jobs.Get(f.t.Context(), j.ID)
		action, due := now.NextAction()
		return err == nil && action == sx.ActionRetention && due.Equal(at)
	}, func() any { return now })
}

func TestDeletionsAreAnnounced(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const day = 24 * time.Hour
	midnight := f.atNoon().Add(2 * day)
	s := f.start(f.config())
	r := receive(t, nil)
	s.addWebhook("ada", r.url)
	first, second := f.toDelete("ada", "a.mp4", midnight), f.toDelete("ada", "b.mp4", midnight)
	late := f.toDelete("ada", "c.mp4", midnight.Add(-2*day)) // nobody was notified in time
	untold := f.toDelete("bob", "d.mp4", midnight)           // has no channel
	for _, j := range []sx.Job{first, second, untold} {
		f.waitForAnnounced(j, midnight)
	}
	f.waitForAnnounced(late, midnight)
	r.wantNoMore()
	f.advance(11 * time.Minute)
	request := r.next()
	d := request.event.Data.Deletion
	if request.event.Type != sx.EventDeletion || d == nil || d.Total != 3 || len(d.Jobs) != 3 {
		t.Fatalf("got %s", request.body)
	}
	for _, j := range []sx.Job{first, second, late} {
		if !slices.Contains(d.Jobs, api.DeletedJob{ID: j.ID, Name: j.Sent.Name, DeleteAt: midnight}) {
			t.Errorf("%s is not in %s", j.Sent.Name, request.body)
		}
	}
	s.waitFor("ada", "it is delivered", in(sx.DeliveryDelivered))

	// What comes after today's digest waits for tomorrow's, and is deleted a day later.
	tomorrow := f.toDelete("ada", "e.mp4", midnight)
	testkit.Eventually(t, "it waits for tomorrow", func() bool {
		j, err := f.store.Jobs.Get(t.Context(), tomorrow.ID)
		return err == nil && j.Check.Equal(midnight.Add(-day))
	})
	f.advance(day)
	f.waitForAnnounced(tomorrow, midnight.Add(day))
	f.advance(11 * time.Minute)
	if d := r.next().event.Data.Deletion; d == nil || d.Total != 1 || d.Jobs[0].ID != tomorrow.ID {
		t.Errorf("the second digest is %+v", d)
	}
	r.wantNoMore()
}

func TestDigestIsBounded(t *testing.T) {
	t.Parallel()
	m := serveMail(t, notifier.SMTPTLS, true)
	s := startWithMail(t, m, notifier.SMTPTLS)
	const day = 24 * time.Hour
	midnight := s.atNoon().Add(2 * day)
	s.confirm(m, "ada", "ada@example.org")
	var list []sx.Job
	for i := range api.MaxAnnounced + 3 {
		list = append(list, s.toDelete("ada", fmt.Sprintf("talk %d\r\nBcc: eve@example.org.mp4", i), midnight))
	}
	for _, j := range list {
		s.waitForAnnounced(j, midnight)
	}
	s.advance(11 * time.Minute)
	l := m.next()
	text := l.parts["text/plain"]
	if l.subject != "53 MP3s will be deleted" || strings.Count(text, midnight.Format("2 January 2006 at 00:00 UTC")) != api.MaxAnnounced ||
		!strings.Contains(text, "and 3 more") || !strings.Contains(text, "sx download JOB") || strings.Contains(text, "\nBcc") {
		t.Errorf("subject %q, text\n%s", l.subject, text)
	}
}
