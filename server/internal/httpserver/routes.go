package httpserver

import (
	"net/http"
	"strings"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// Routes is mux with its own answers, for a path that is not there (404) and a
// method that a path does not take (405), in the API's error format.
func Routes(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		// No pattern matched: h is the mux's own answer. It is run for its
		// status and headers only.
		answer := newBuffer()
		h.ServeHTTP(answer, r)
		if answer.status != http.StatusMethodNotAllowed {
			api.WriteError(w, sx.NewError(sx.CodeNotFound, "there is nothing at %s", r.URL.Path).
				WithHint("the API is described at %s", api.PathOpenAPI))
			return
		}
		allow := answer.header.Get("Allow")
		w.Header().Set("Allow", allow)
		api.Write(w, answer.status, api.ErrorBody{Error: api.FromError(
			sx.NewError(sx.CodeInvalid, "%s does not take %s", r.URL.Path, r.Method).
				WithHint("use %s", strings.ReplaceAll(allow, ", ", " or ")))})
	})
}
