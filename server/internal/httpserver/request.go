package httpserver

import (
	"context"
	"net/http"
	"regexp"
	"sync/atomic"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

type requestKey struct{}

// request is the data of a request in its ctx.
type request struct {
	id   string
	user atomic.Pointer[string] // atomic, because other goroutines may log meanwhile
}

func requestOf(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	return r
}

// RequestID returns the ID of the request that ctx belongs to, or "".
func RequestID(ctx context.Context) string {
	if r := requestOf(ctx); r != nil {
		return r.id
	}
	return ""
}

// SetUser sets the user of the request that ctx belongs to, for its log lines.
func SetUser(ctx context.Context, id string) {
	if r := requestOf(ctx); r != nil {
		r.user.Store(&id)
	}
}

// A client's ID is written to logs and headers, so only short, plain ones are used.
var requestIDPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// identify assigns the request an ID: the client's if it is valid, so that the
// ID is the same in all services, or else a new one. It sets the ID in the
// response, and in the request for the reverse proxy.
func identify(w http.ResponseWriter, r *http.Request) *http.Request {
	id := r.Header.Get(api.HeaderRequestID)
	if !requestIDPattern.MatchString(id) {
		id = sx.NewID()
	}
	r = r.WithContext(context.WithValue(r.Context(), requestKey{}, &request{id: id}))
	r.Header.Set(api.HeaderRequestID, id)
	w.Header().Set(api.HeaderRequestID, id)
	return r
}
