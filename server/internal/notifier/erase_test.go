package notifier_test

import (
	"testing"
	"time"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

func TestEraseAccount(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.start(f.config())
	r := receive(t, nil)
	s.addWebhook("ada", r.url)
	s.addWebhook("bob", r.url)
	for _, user := range []string{"ada", "bob"} {
		f.waitForNotified(f.finishJob(user, "a.mp4", nil))
	}
	s.stop()
	f.advance(time.Minute) // a round is due
	now := f.now()
	e := sx.Erasure{UserID: "ada", Name: "ada", Requested: now, Settled: now.Add(time.Hour), Step: sx.EraseNotifications, Since: now, Due: now}
	if err := f.store.Erasures.Create(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	again := f.config()
	again.Registerer = nil
	f.start(again)
	testkit.Eventually(t, "it is the gateway's turn again", func() bool {
		got, err := f.store.Erasures.Get(t.Context(), "ada")
		return err == nil && got.Step == sx.EraseJobs && got.Last && got.Due.Equal(got.Settled)
	})
	for user, left := range map[string]bool{"ada": false, "bob": true} {
		settings, err := f.store.NotificationSettings.Get(t.Context(), user)
		if err != nil || settings.Rev > 0 != left {
			t.Errorf("%s has the settings %+v (%v)", user, settings, err)
		}
		list, _, err := f.store.Deliveries.List(t.Context(), user, nil, 10)
		if err != nil || len(list) > 0 != left {
			t.Errorf("%s has the deliveries %+v (%v)", user, list, err)
		}
	}
}

// TestEraseCounters checks that the last round leaves no counters of the user either.
func TestEraseCounters(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.start(f.config())
	s.noon()
	r := receive(t, nil)
	test := func(s *server, user string) error {
		_, err := s.as(user).TestNotify(t.Context())
		return err
	}
	for _, user := range []string{"ada", "bob"} {
		s.addWebhook(user, r.url)
		var err error
		for n := 0; err == nil && n <= 20; n++ {
			err = test(s, user)
		}
		if sx.CodeOf(err) != sx.CodeTooManyAttempts {
			t.Fatalf("the tests of %s end with %v", user, err)
		}
	}
	s.stop()
	now := f.now()
	e := sx.Erasure{UserID: "ada", Name: "ada", Requested: now, Settled: now, Step: sx.EraseNotifications, Last: true, Since: now, Due: now}
	if err := f.store.Erasures.Create(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	f.advance(time.Minute) // a round is due
	again := f.config()
	again.Registerer = nil
	s = f.start(again)
	testkit.Eventually(t, "it is auth's turn", func() bool {
		got, err := f.store.Erasures.Get(t.Context(), "ada")
		return err == nil && got.Step == sx.EraseAccount
	})
	s.addWebhook("ada", r.url)
	if err := test(s, "ada"); err != nil {
		t.Errorf("an account that begins again: %v", err)
	}
	if err := test(s, "bob"); sx.CodeOf(err) != sx.CodeTooManyAttempts {
		t.Errorf("another account: %v", err)
	}
}
