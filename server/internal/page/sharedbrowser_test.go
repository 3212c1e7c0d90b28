package page_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/testkit/chromium"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// holdSecondPart returns a server that does not answer the second part of an upload until
// release is called, and a channel that is closed when that has arrived.
func holdSecondPart(t *testing.T) (server *gateway.Server, held <-chan struct{}, release func()) {
	t.Helper()
	arrived, given := make(chan struct{}), make(chan struct{})
	release = sync.OnceFunc(func() { close(given) })
	t.Cleanup(release)
	var once sync.Once
	server = gateway.New(t, func(s *gateway.Server) {
		s.Before = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPatch && r.Header.Get("Upload-Offset") != "0" {
				once.Do(func() { close(arrived); <-given })
			}
			return false
		}
	})
	return server, arrived, release
}

func creations(server *gateway.Server) (n int) {
	for _, request := range server.Requests() {
		if request == "POST "+api.PathUploads {
			n++
		}
	}
	return n
}

// TestNextPerson signs in another person after a session ended by itself: they see none of the
// uploads of the person before, and none goes on in their name.
func TestNextPerson(t *testing.T) {
	t.Parallel()
	server, held, release := holdSecondPart(t)
	defer release()
	b := chromium.NewTab(t, server.URL)
	b.Register("anna")
	b.Choose("Choose files", writeFile(t, "private talk.mp4", gateway.Media(2<<20)))
	<-held
	server.EndSessions("anna")
	b.Click("Account") // which lists the tokens
	b.See("h1", "Sign in")
	b.Click("Create an account")
	b.See("h1", "Create an account")
	b.FillIn("Name", "ben")
	b.FillIn("Password", password)
	b.Click("Create the account")
	b.See("h1", "Jobs")
	b.Gone(".uploads", "private talk.mp4")
	release()
	b.Choose("Choose files", writeFile(t, "mine.mp4", gateway.Media(1000)))
	b.See("tr", "mine.mp4")
	b.Gone("tr", "private talk.mp4")
	if n := creations(server); n != 2 {
		t.Errorf("%d uploads were created, want one of each person", n)
	}

	b.Click("Sign out")
	b.See("h1", "Sign in")
	b.FillIn("Name", "anna")
	b.FillIn("Password", password)
	b.Click("Sign in")
	b.See(".uploads li", "private talk.mp4")
}

// TestNextPersonInAnotherTab signs in another person in a second tab, while the first one is
// still sending: it must not go on in their name.
func TestNextPersonInAnotherTab(t *testing.T) {
	t.Parallel()
	server, held, release := holdSecondPart(t)
	defer release()
	first := chromium.NewTab(t, server.URL)
	first.Register("anna")
	first.Choose("Choose files", writeFile(t, "private talk.mp4", gateway.Media(2<<20)))
	<-held
	second := first.Another()
	second.Open("")
	second.See("h1", "Jobs")
	second.Click("Sign out")
	second.See("h1", "Sign in")
	second.Register("ben")
	release()
	first.See("h1", "Sign in")
	first.Reload()
	first.See("h1", "Jobs")
	first.Gone(".uploads", "private talk.mp4")
	first.Choose("Choose files", writeFile(t, "mine.mp4", gateway.Media(1000)))
	first.See("tr", "mine.mp4")
	first.Gone("tr", "private talk.mp4")
	if n := creations(server); n != 2 {
		t.Errorf("%d uploads were created, want one of each person", n)
	}
}
