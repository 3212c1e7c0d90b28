package status

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

func TestPrintUpgrade(t *testing.T) {
	t.Parallel()
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.Local)
	for name, tt := range map[string]struct {
		answer api.Upgrade
		err    error
		other  bool // another installation than the one in use was chosen
		want   string
	}{
		"final": {answer: api.Upgrade{Final: true, Format: 1, Next: 1}},
		"pending": {
			answer: api.Upgrade{Format: 1, Next: 2, FinalAt: &at},
			want:   "upgrade: not final, so you can still go back; it becomes final on 2030-01-02 03:04:05, or with: sx admin finish-upgrade\n",
		},
		"during a rollout": {
			answer: api.Upgrade{Format: 1, Next: 2, Previous: []api.Process{{Name: "gateway on a", Release: "1.0.0"}}},
			want:   "upgrade: not final, because the previous release is still running\n",
		},
		"no administrator":     {err: sx.NewError(sx.CodeForbidden, "only administrators may do this")},
		"another installation": {answer: api.Upgrade{Format: 1, Next: 2, FinalAt: &at}, other: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path != api.PathUpgrade:
					t.Errorf("a request for %s", r.URL.Path)
				case tt.err != nil:
					api.WriteError(w, tt.err)
				default:
					api.Write(w, http.StatusOK, tt.answer)
				}
			}))
			t.Cleanup(server.Close)
			streams, out, errOut := term.Test("")
			opts := &Options{IO: streams, ClusterGiven: tt.other, Client: func() (*client.Client, error) {
				return client.New(server.URL, http.DefaultClient)
			}}
			opts.printUpgrade(t.Context())
			if out.Len() > 0 || errOut.String() != tt.want {
				t.Errorf("printed %q and %q, want nothing and %q", out, errOut, tt.want)
			}
		})
	}
}
