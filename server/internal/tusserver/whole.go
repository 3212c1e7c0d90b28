package tusserver

import (
	"errors"
	"io"
	"net/http"

	"github.com/soundextract/sx/server/sx"
)

var errIncomplete = sx.NewError(sx.CodeInvalid, "the request ended before all bytes of the file had arrived").
	WithHint("send it again; over an unreliable connection, upload with tus, which continues where it stopped")

// Whole stores the body of a request that is not one of the protocol: a whole file, with its
// size in Content-Length. If not all of it arrives, the upload is terminated, because the
// client cannot continue it. The upload is returned even with an error.
func (h *Handler) Whole(w http.ResponseWriter, r *http.Request, metadata map[string]string) (Upload, error) {
	u, err := h.create(r.Context(), r.ContentLength, metadata)
	if err != nil {
		return u, err
	}
	body := newBody(w, r, u.Size)
	if u.Offset == u.Size { // an earlier request has sent it
		if r.Header.Get("Expect") == "" { // the client reads the response once it has sent everything
			_, _ = io.Copy(io.Discard, body)
		}
		return u, nil
	}
	release, err := h.Locks.Preempt(r.Context(), u.ID, body.stop)
	if err == nil {
		defer release()
		u, err = h.append(r.Context(), w, u, body)
	}
	if u.Offset == u.Size {
		return u, err
	}
	ctx, cancel := withSaveTimeout(r.Context())
	defer cancel()
	_ = h.Store.Terminate(ctx, u.ID) // it may have been refused and removed; if this fails, it expires
	if errors.Is(err, errBroken) || errors.Is(err, errStalled) {
		err = errIncomplete
	}
	return u, err
}
