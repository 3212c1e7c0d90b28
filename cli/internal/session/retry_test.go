package session_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/soundextract/sx/cli/internal/session"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// faltering responds to the first requests with status, and to later ones with a user.
type faltering struct {
	status int
	times  int // that get the status
	asked  int
}

func (s *faltering) RoundTrip(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if s.asked++; s.asked <= s.times {
		w.WriteHeader(s.status)
	} else {
		api.Write(w, http.StatusOK, api.User{Name: "anna"})
	}
	res := w.Result()
	res.Request = req
	return res, nil
}

func (s *faltering) client(t *testing.T) *client.Client {
	t.Helper()
	a, err := session.NewAccount("test", "https://server", session.OpenStore(t.TempDir(), nil), s)
	if err != nil {
		t.Fatal(err)
	}
	a.UseToken("sxp_test")
	return signedClient(t, a)
}

func TestReadsAreRetried(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		times  int
		asked  int
		code   sx.Code // "" for success
	}{
		{http.StatusServiceUnavailable, 2, 3, ""},
		{http.StatusBadGateway, 1, 2, ""},
		{http.StatusGatewayTimeout, 3, 4, ""},
		{http.StatusServiceUnavailable, 9, 4, sx.CodeUnavailable},
		{http.StatusInternalServerError, 1, 1, sx.CodeInternal},
	} {
		t.Run(http.StatusText(tt.status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &faltering{status: tt.status, times: tt.times}
				_, err := s.client(t).Me(t.Context())
				if tt.code == "" && err != nil || tt.code != "" && sx.CodeOf(err) != tt.code || s.asked != tt.asked {
					t.Errorf("asked %d times, got %v; want %d times and the code %q", s.asked, err, tt.asked, tt.code)
				}
			})
		})
	}
}

func TestChangesAreSentOnce(t *testing.T) {
	t.Parallel()
	s := &faltering{status: http.StatusServiceUnavailable, times: 1}
	c := s.client(t)
	req, err := c.NewRequest(t.Context(), http.MethodPost, "/v1/x", nil, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err == nil {
		_ = res.Body.Close()
	}
	if sx.CodeOf(err) != sx.CodeUnavailable || s.asked != 1 {
		t.Errorf("sent %d times, got %v", s.asked, err)
	}
}
