package page_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/soundextract/sx/server/api"
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
	b := newTab(t, server.URL)
	b.register("anna")
	b.choose("Choose files", writeFile(t, "private talk.mp4", gateway.Media(2<<20)))
	<-held
	server.EndSessions("anna")
	b.click("Account") // which lists the tokens
	b.see("h1", "Sign in")
	b.click("Create an account")
	b.fillIn("Name", "ben")
	b.fillIn("Password", password)
	b.click("Create the account")
	b.see("h1", "Jobs")
	b.gone(".uploads", "private talk.mp4")
	release()
	b.choose("Choose files", writeFile(t, "mine.mp4", gateway.Media(1000)))
	b.see("tr", "mine.mp4")
	b.gone("tr", "private talk.mp4")
	if n := creations(server); n != 2 {
		t.Errorf("%d uploads were created, want one of each person", n)
	}

	b.click("Sign out")
	b.see("h1", "Sign in")
	b.fillIn("Name", "anna")
	b.fillIn("Password", password)
	b.click("Sign in")
	b.see(".uploads li", "private talk.mp4")
}

// TestNextPersonInAnotherTab signs in another person in a second tab, while the first one is
// still sending: it must not go on in their name.
func TestNextPersonInAnotherTab(t *testing.T) {
	t.Parallel()
	server, held, release := holdSecondPart(t)
	defer release()
	first := newTab(t, server.URL)
	first.register("anna")
	first.choose("Choose files", writeFile(t, "private talk.mp4", gateway.Media(2<<20)))
	<-held
	second := first.another()
	second.open("")
	second.see("h1", "Jobs")
	second.click("Sign out")
	second.see("h1", "Sign in")
	second.register("ben")
	release()
	first.see("h1", "Sign in")
	first.reload()
	first.see("h1", "Jobs")
	first.gone(".uploads", "private talk.mp4")
	first.choose("Choose files", writeFile(t, "mine.mp4", gateway.Media(1000)))
	first.see("tr", "mine.mp4")
	first.gone("tr", "private talk.mp4")
	if n := creations(server); n != 2 {
		t.Errorf("%d uploads were created, want one of each person", n)
	}
}
