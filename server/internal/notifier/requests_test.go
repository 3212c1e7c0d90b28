package notifier_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/notifier"
	"github.com/soundextract/sx/server/sx"
)

// requestCodes requests n codes at once and returns how many were sent. of returns the
// user and the address of a request.
func (s *server) requestCodes(n int, of func(i int) (user, address string)) (sent int) {
	s.t.Helper()
	var group sync.WaitGroup
	start := make(chan struct{})
	errs := make([]error, n)
	for i := range n {
		user, address := of(i)
		c := s.as(user)
		group.Go(func() {
			<-start
			_, errs[i] = c.SetEmail(s.t.Context(), api.Email{Address: address})
		})
	}
	close(start)
	group.Wait()
	for _, err := range errs {
		switch {
		case err == nil:
			sent++
		case sx.CodeOf(err) != sx.CodeTooManyAttempts:
			s.t.Errorf("a refused request: %v", err)
		}
	}
	return sent
}

// TestCodesAreLimited checks that of many requests at once exactly as many send a code as
// a user may request in a day, and as many as all users may request for an address.
func TestCodesAreLimited(t *testing.T) {
	t.Parallel()
	m := serveMail(t, notifier.SMTPStartTLS, true)
	s := startWithMail(t, m, notifier.SMTPStartTLS)
	s.noon()
	if n := s.requestCodes(60, func(i int) (string, string) { return "ada", fmt.Sprintf("ada%d@example.org", i) }); n != 20 {
		t.Errorf("%d of 60 requests of a user were permitted, want 20", n)
	}
	same := []string{"eve@example.org", "Eve@Example.org", "eve+x@example.org"}
	if n := s.requestCodes(60, func(i int) (string, string) { return fmt.Sprintf("user%d", i), same[i%len(same)] }); n != 20 {
		t.Errorf("%d of 60 requests for an address were permitted, want 20", n)
	}
	if list := s.deliveries("ada"); len(list) != 20 {
		t.Errorf("%d codes are sent to the user, want 20", len(list))
	}
	s.advance(24 * time.Hour)
	if n := s.requestCodes(1, func(int) (string, string) { return "ada", "eve@example.org" }); n != 1 {
		t.Error("a day later no code is sent")
	}
}
