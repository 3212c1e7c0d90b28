package notifier_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// verify verifies the signature with the reference implementation of the
// specification.
func verify(t *testing.T, p webhookRequest, secret string) {
	t.Helper()
	if err := checker(t, secret).Verify(p.body, p.header); err != nil {
		t.Errorf("invalid signature: %v", err)
	}
}

func checker(t *testing.T, secret string) *standardwebhooks.Webhook {
	t.Helper()
	c, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFinishedJobIsDeliveredOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.start(f.config())
	other := f.config()
	other.Registerer = nil
	f.start(other) // a second notifier on the same store
	r := receive(t, nil)
	made := s.addWebhook("ada", r.url)
	warnings := []sx.Warning{sx.NewWarning(sx.WarningTags, "the cover is lost")}
	j := f.finishJob("ada", "talk.mp4", nil, warnings...)
	for range 3 {
		f.updater.Publish(t.Context(), bus.Notify, j.ID)
	}
	p := r.next()
	verify(t, p, made.Secret)
	if want := sx.DeliveryID(j.ID, 1, made.ID); p.id != want || p.event.Type != sx.EventDone || p.event.Data.Job.ID != j.ID ||
		p.event.Data.Job.Track(1).Duration != 61 || !p.event.Timestamp.Equal(j.Updated) {
		t.Errorf("posted as %s: %s", p.id, p.body)
	}
	if got := p.event.Data.Job.Warnings; len(got) != 1 || got[0] != api.Warning(warnings[0]) {
		t.Errorf("the event's warnings are %v", got)
	}
	d := s.waitFor("ada", "it is delivered", in(sx.DeliveryDelivered))
	if d.Target != r.url || d.LastStatus != http.StatusOK || d.Tries != 1 || d.JobID != j.ID {
		t.Errorf("the delivery is %+v", d)
	}
	f.waitForNotified(j)
	failed := f.finishJob("ada", "song.mp4", sx.NewError(sx.CodeNoAudio, "the video has no sound"))
	p = r.next()
	verify(t, p, made.Secret)
	if p.event.Type != sx.EventFailed || p.event.Data.Job.Error.Code != sx.CodeNoAudio || p.event.Data.Job.ID != failed.ID {
		t.Errorf("posted %s", p.body)
	}
	f.waitForNotified(failed)
	r.wantNoMore()
	if n := len(s.deliveries("ada")); n != 2 {
		t.Errorf("%d deliveries, want 2", n)
	}
}

func TestNoChannels(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.start(f.config())
	f.waitForNotified(f.finishJob("ada", "talk.mp4", nil))
	if list := s.deliveries("ada"); len(list) != 0 {
		t.Errorf("created %+v", list)
	}
}

// TestRetries has a receiver fail every attempt.
func TestRetries(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.start(f.config())
	r := receive(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	s.addWebhook("ada", r.url)
	f.finishJob("ada", "talk.mp4", nil)
	var whole time.Duration
	first := r.next().id
	for n := 1; n < 10; n++ {
		testkit.Eventually(t, fmt.Sprintf("attempt %d has failed", n), func() bool { return f.attempts("webhook", "retried") == n }, func() any { return s.deliveries("ada") })
		d := s.deliveries("ada")[0]
		if d.State != sx.DeliveryPending || d.Tries != n || d.LastStatus != http.StatusInternalServerError {
			t.Fatalf("after attempt %d: %+v", n, d)
		}
		r.wantNoMore()
		pause := d.NextTry.Sub(f.now())
		whole += pause
		f.advance(pause + time.Second)
		if got := r.next().id; got != first {
			t.Errorf("attempt %d has the ID %s, the first %s", n+1, got, first)
		}
	}
	if d := s.waitFor("ada", "it has failed", in(sx.DeliveryFailed)); d.Tries != 10 {
		t.Errorf("failed after %d attempts", d.Tries)
	}
	if whole < 75*time.Hour || whole > 92*time.Hour {
		t.Errorf("failed after %v, want a little more than three days", whole)
	}
	testkit.Eventually(t, "metric of failed deliveries", func() bool { return f.attempts("webhook", "failed") == 1 }, func() any { return nil })
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.start(f.config())
	var broken atomic.Bool
	broken.Store(true)
	r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
		if broken.Load() {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	made := s.addWebhook("ada", r.url)
	f.finishJob("ada", "talk.mp4", nil)
	r.next()
	d := s.waitFor("ada", "the attempt has failed", failedAttempts(1))
	if wait := d.NextTry.Sub(f.now()); wait < 59*time.Minute {
		t.Errorf("next attempt in %v, want the delay that the receiver asked for", wait)
	}
	broken.Store(false)
	f.advance(2 * time.Hour)
	p := r.next()
	if at := p.header.Get("webhook-timestamp"); at < fmt.Sprint(f.now().Add(-time.Minute).Unix()) {
		t.Errorf("the second attempt has the timestamp %s", at)
	}
	if d := s.waitFor("ada", "it is delivered", in(sx.DeliveryDelivered)); d.Tries != 2 || d.LastError != "" {
		t.Errorf("the delivery is %+v", d)
	}
	if made.Secret == "" {
		t.Error("no secret")
	}
}

func TestGoneDisables(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.start(f.config())
	r := receive(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	s.addWebhook("ada", r.url)
	f.finishJob("ada", "talk.mp4", nil)
	if d := s.waitFor("ada", "it has failed", in(sx.DeliveryFailed)); d.Tries != 1 || d.LastStatus != http.StatusGone {
		t.Errorf("the delivery is %+v", d)
	}
	n, err := s.as("ada").Notify(t.Context())
	if err != nil || len(n.Webhooks) != 1 || n.Webhooks[0].Disabled == nil {
		t.Errorf("the webhook is %+v, %v", n, err)
	}
	f.waitForNotified(f.finishJob("ada", "song.mp4", nil))
	if list := s.deliveries("ada"); len(list) != 1 {
		t.Errorf("the disabled webhook got %+v", list)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.start(f.config())
	elsewhere := receive(t, nil)
	r := receive(t, func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, elsewhere.url, http.StatusTemporaryRedirect)
	})
	s.addWebhook("ada", r.url)
	f.finishJob("ada", "talk.mp4", nil)
	d := s.waitFor("ada", "the attempt has failed", failedAttempts(1))
	if d.LastStatus != http.StatusTemporaryRedirect || !strings.Contains(d.LastError, "redirects") {
		t.Errorf("the delivery is %+v", d)
	}
	elsewhere.wantNoMore()
}

func TestRemovedWebhook(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.start(f.config())
	r := receive(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	made := s.addWebhook("ada", r.url)
	f.finishJob("ada", "talk.mp4", nil)
	r.next()
	s.waitFor("ada", "the attempt has failed", failedAttempts(1))
	if err := s.as("ada").RemoveWebhook(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	f.advance(time.Minute)
	s.waitFor("ada", "it has failed", in(sx.DeliveryFailed))
	r.wantNoMore()
}

// TestPrivateAddresses checks that the dialled address is validated, whatever
// the name resolved to when the webhook was created.
func TestPrivateAddresses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cfg := f.config()
	cfg.Networks = nil
	s := f.start(cfg)
	r := &receiver{t: t, requests: make(chan webhookRequest, 1)}
	server := httptest.NewTLSServer(r.handler(nil))
	t.Cleanup(server.Close)
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "https://"), ":")
	for _, url := range []string{
		server.URL, "https://10.1.2.3/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/",
		"https://169.254.169.254/latest", "http://example.org/", "ftp://example.org/", "https://", "example.org",
		"https://ada:secret@example.org/", "https://example.org/#a", "https://example.org/" + strings.Repeat("a", 2048),
	} {
		if _, err := s.as("ada").AddWebhook(t.Context(), api.NewWebhook{URL: url}); sx.CodeOf(err) != sx.CodeInvalid {
			t.Errorf("%s: %v, want code invalid", url, err)
		}
	}
	s.addWebhook("ada", "https://localhost:"+port+"/")
	f.finishJob("ada", "talk.mp4", nil)
	d := s.waitFor("ada", "the attempt has failed", failedAttempts(1))
	if !strings.Contains(d.LastError, "private") || strings.Contains(d.LastError, "127.0.0.1") {
		t.Errorf("the delivery is %+v", d)
	}
	r.wantNoMore()
}

// TestFailuresToConnectLookTheSame checks that users cannot tell names that do not exist
// from addresses that are not allowed and those where nothing answers.
func TestFailuresToConnectLookTheSame(t *testing.T) {
	t.Parallel()
	plain := receive(t, nil)
	_, plainPort, _ := strings.Cut(strings.TrimPrefix(plain.url, "http://"), ":")
	private, allowed := newFixture(t), newFixture(t)
	withoutNetworks := private.config()
	withoutNetworks.Networks = nil
	closed, open := private.start(withoutNetworks), allowed.start(allowed.config())
	noName := strings.Repeat("x", 64) + ".invalid" // too long for a label, so no DNS server is asked
	const want = "no response: the host does not exist, is private or reached by http, or does not answer in time"
	for name, tt := range map[string]struct {
		s   *server
		url string
	}{
		"private":    {closed, "https://localhost:" + plainPort + "/"},
		"unknown":    {open, "https://" + noName + "/"},
		"no server":  {open, strings.Replace(testkit.NoServer(t), "http:", "https:", 1) + "/"},
		"not by TLS": {open, "https://localhost:" + plainPort + "/"},
	} {
		user := strings.ReplaceAll(name, " ", "-")
		tt.s.addWebhook(user, tt.url)
		tt.s.finishJob(user, "talk.mp4", nil)
		if d := tt.s.waitFor(user, "the attempt has failed", failedAttempts(1)); d.LastError != want {
			t.Errorf("%s: the error is %q, want %q", name, d.LastError, want)
		}
	}
}

// TestPlainHTTP checks that unencrypted requests are sent only to the
// operator's networks.
func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.start(f.config())
	if _, err := s.as("ada").AddWebhook(t.Context(), api.NewWebhook{URL: "http://192.0.43.7/"}); sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("got %v, want code invalid", err)
	}
}

// TestHangingReceiver checks that a receiver that does not respond delays no
// other.
func TestHangingReceiver(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.start(f.config())
	release := make(chan struct{})
	slow := receive(t, func(http.ResponseWriter, *http.Request) { <-release })
	quick, others := receive(t, nil), receive(t, nil)
	s.addWebhook("ada", slow.url)
	s.addWebhook("ada", quick.url)
	s.addWebhook("bob", others.url)
	const jobs = 15
	start := time.Now()
	for i := range jobs {
		f.finishJob("ada", fmt.Sprintf("%d.mp4", i), nil)
		f.finishJob("bob", fmt.Sprintf("%d.mp4", i), nil)
	}
	for range jobs {
		quick.next()
		others.next()
	}
	// Two at a time, each with a timeout of 20 s.
	if n, most := len(slow.requests), 2+2*int(time.Since(start)/(20*time.Second)); n == 0 || n > most {
		t.Errorf("%d requests to the receiver that hangs, want 1 to %d", n, most)
	}
	close(release)
	for range jobs {
		slow.next()
	}
}

// TestBacklogDelaysNoOther covers a receiver that hangs with thousands of deliveries, all
// older than those of others.
func TestBacklogDelaysNoOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.start(f.config())
	release := make(chan struct{})
	defer close(release)
	slow := receive(t, func(http.ResponseWriter, *http.Request) { <-release })
	quick, own := receive(t, nil), receive(t, nil)
	hanging := s.addWebhook("ada", slow.url)
	s.addWebhook("ada", own.url)
	s.addWebhook("bob", quick.url)
	s.stop()
	f.pending(3000, "ada", hanging.ID)
	cfg := f.config()
	cfg.Registerer = prometheus.NewRegistry()
	s = f.start(cfg)
	slow.next()
	const atMost = 5 * time.Second
	for _, r := range []struct {
		user string
		*receiver
	}{{"bob", quick}, {"ada", own}} {
		start := time.Now()
		if _, err := s.as(r.user).TestNotify(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.next()
		if took := time.Since(start); took > atMost {
			t.Errorf("a delivery of %s arrived after %v, want at most %v", r.user, took, atMost)
		}
	}
}

// TestManyHangingReceivers covers accounts that use up all attempts with receivers that
// hang, but for those that are reserved.
func TestManyHangingReceivers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.start(f.config())
	release := make(chan struct{})
	defer close(release)
	slow := receive(t, func(http.ResponseWriter, *http.Request) { <-release })
	for i := range 10 {
		user := fmt.Sprintf("user-%d", i)
		for range 4 {
			f.pending(10, user, s.addWebhook(user, slow.url).ID)
		}
	}
	for range 40 {
		slow.next()
	}
	quick := receive(t, nil)
	s.addWebhook("bob", quick.url)
	start := time.Now()
	if _, err := s.as("bob").TestNotify(t.Context()); err != nil {
		t.Fatal(err)
	}
	quick.next()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the delivery arrived after %v", took)
	}
}

func TestAccess(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.start(f.config())
	made := s.addWebhook("ada", "https://example.org/")
	if err := s.as("bob").RemoveWebhook(t.Context(), made.ID); sx.CodeOf(err) != sx.CodeNotFound {
		t.Errorf("got %v, want code not_found", err)
	}
	if _, err := s.as("nobody").Notify(t.Context()); sx.CodeOf(err) != sx.CodeUnauthenticated {
		t.Errorf("got %v, want code unauthenticated", err)
	}
	if _, err := s.as("sxp_token").Notify(t.Context()); sx.CodeOf(err) != sx.CodeForbidden {
		t.Errorf("got %v, want code forbidden", err)
	}
	for range api.MaxWebhooks - 1 {
		s.addWebhook("ada", "https://example.org/")
	}
	if _, err := s.as("ada").AddWebhook(t.Context(), api.NewWebhook{URL: "https://example.org/"}); sx.CodeOf(err) != sx.CodeConflict {
		t.Errorf("a webhook over the limit: %v", err)
	}
	if err := s.as("ada").RemoveWebhook(t.Context(), made.ID); err != nil {
		t.Error(err)
	}
	if n, err := s.as("ada").Notify(t.Context()); err != nil || len(n.Webhooks) != api.MaxWebhooks-1 || n.SendsEmail {
		t.Errorf("got %+v, %v", n, err)
	}
}

// TestPagesOfDeliveries reads a user's deliveries one after another.
func TestPagesOfDeliveries(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.start(f.config())
	r := receive(t, nil)
	s.addWebhook("ada", r.url)
	var want []string
	for range 3 {
		made, err := s.as("ada").TestNotify(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r.next()
		want = append([]string{made.Deliveries[0].ID}, want...)
		f.advance(time.Second)
	}
	var got []string
	for after := ""; len(got) < 4; {
		page, err := s.as("ada").Deliveries(t.Context(), after, 1)
		if err != nil || len(page.Deliveries) != 1 {
			t.Fatalf("after %q: %+v, %v", after, page, err)
		}
		got = append(got, page.Deliveries[0].ID)
		if after = page.Next; after == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, err := s.as("ada").Deliveries(t.Context(), "x", 1); sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("an invalid cursor: %v", err)
	}
}

func TestTestMessages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.noon()
	s := f.start(f.config())
	if _, err := s.as("ada").TestNotify(t.Context()); sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("a test without channels: %v", err)
	}
	r := receive(t, nil)
	made := s.addWebhook("ada", r.url)
	var err error
	sent := 0
	for ; err == nil && sent < 100; sent++ {
		var list api.DeliveryList
		if list, err = s.as("ada").TestNotify(t.Context()); err == nil {
			p := r.next()
			if err := checker(t, made.Secret).VerifyIgnoringTimestamp(p.body, p.header); err != nil { // the clock is ahead
				t.Errorf("invalid signature: %v", err)
			}
			if len(list.Deliveries) != 1 || p.id != list.Deliveries[0].ID || p.event.Type != sx.EventTest || p.event.Data.Job != nil {
				t.Errorf("posted %s %s for %+v", p.id, p.body, list)
			}
		}
	}
	if sx.CodeOf(err) != sx.CodeTooManyAttempts || sent > 30 {
		t.Errorf("after %d tests: %v", sent, err)
	}
	f.advance(25 * time.Hour)
	if _, err := s.as("ada").TestNotify(t.Context()); err != nil {
		t.Errorf("a day later: %v", err)
	}
}
