package session_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/soundextract/sx/cli/internal/session"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// faltering answers with the status for so many times before it answers well.
func faltering(t *testing.T, status int, times int32) (*client.Client, *atomic.Int32) {
	t.Helper()
	asked := &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) <= times {
			w.WriteHeader(status)
			return
		}
		api.Write(w, http.StatusOK, api.User{Name: "anna"})
	}))
	t.Cleanup(server.Close)
	a, err := session.NewAccount("test", server.URL, session.OpenStore(t.TempDir(), nil), http.DefaultTransport)
	if err != nil {
		t.Fatal(err)
	}
	a.UseToken("sxp_test")
	return signedClient(t, a), asked
}

func TestQuestionsAreAskedAgain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		times  int32
		asked  int32
		code   sx.Code // "" when it goes well
	}{
		{http.StatusServiceUnavailable, 2, 3, ""},
		{http.StatusBadGateway, 1, 2, ""},
		{http.StatusGatewayTimeout, 3, 4, ""},
		{http.StatusServiceUnavailable, 9, 4, sx.CodeUnavailable},
		{http.StatusInternalServerError, 1, 1, sx.CodeInternal},
	} {
		t.Run(http.StatusText(tt.status), func(t *testing.T) {
			t.Parallel()
			c, asked := faltering(t, tt.status, tt.times)
			_, err := c.Me(t.Context())
			if tt.code == "" && err != nil || tt.code != "" && sx.CodeOf(err) != tt.code || asked.Load() != tt.asked {
				t.Errorf("asked %d times, got %v; want %d times and the code %q", asked.Load(), err, tt.asked, tt.code)
			}
		})
	}
}

func TestChangesAreSentOnce(t *testing.T) {
	t.Parallel()
	c, asked := faltering(t, http.StatusServiceUnavailable, 1)
	req, err := c.NewRequest(t.Context(), http.MethodPost, "/v1/x", nil, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err == nil {
		_ = res.Body.Close()
	}
	if sx.CodeOf(err) != sx.CodeUnavailable || asked.Load() != 1 {
		t.Errorf("sent %d times, got %v", asked.Load(), err)
	}
}
