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

// request is what is known of the request that a ctx belongs to.
type request struct {
	id   string
	user atomic.Pointer[string] // logs may be written while it is set
}

func requestOf(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	return r
}

// RequestID is the id of the request that ctx belongs to, "" outside of one.
func RequestID(ctx context.Context) string {
	if r := requestOf(ctx); r != nil {
		return r.id
	}
	return ""
}

// SetUser notes who sent the request that ctx belongs to, for the logs.
func SetUser(ctx context.Context, id string) {
	if r := requestOf(ctx); r != nil {
		r.user.Store(&id)
	}
}

// An id from outside goes into logs and headers, so it is kept short and plain.
var requestIDPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// identify gives the request its id: the sender's if it is a sane one, so that
// one id follows a call through all services, else a new one. The answer
// carries it, and so does the request when it is passed on.
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
