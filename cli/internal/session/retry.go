package session

import (
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// again asks once more when the server says that it cannot answer just now: one
// of its parts is being replaced, which is over in a second or two. Only what
// changes nothing is asked again. Transfers have a longer patience of their own.
type again struct{ base http.RoundTripper }

// pauses before the tries that follow the first.
var pauses = []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second}

func (a again) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := a.base.RoundTrip(req)
	for _, pause := range pauses {
		if err != nil || !passing(req, res) {
			break
		}
		timer := time.NewTimer(pause + rand.N(pause/2)) // jitter: many clients saw the same
		select {
		case <-req.Context().Done():
			timer.Stop()
			_ = res.Body.Close()
			return nil, req.Context().Err()
		case <-timer.C:
		}
		_ = res.Body.Close()
		res, err = a.base.RoundTrip(req)
	}
	return res, err
}

// passing reports whether the answer to a question may be another one soon.
func passing(req *http.Request, res *http.Response) bool {
	asks := req.Method == http.MethodGet || req.Method == http.MethodHead
	return asks && api.CodeOfStatus(res.StatusCode) == sx.CodeUnavailable
}
