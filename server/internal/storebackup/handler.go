package storebackup

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/backup"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/store"
)

// Handler serves a backup of the store with GET, and restores one with POST. The caller
// decides who may use it.
type Handler struct {
	Store store.Store
	// Files returns the files of a backup; nil is none.
	Files func() ([]backup.File, error)
	Log   *slog.Logger
}

// ServeHTTP has no deadlines: a transfer may take hours, and the client may pause as long
// as it likes.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // without it, the request fails later
	_ = control.SetWriteDeadline(time.Time{})
	if r.Method == http.MethodPost {
		h.restore(w, r)
		return
	}
	var files []backup.File
	if h.Files != nil {
		var err error
		if files, err = h.Files(); err != nil {
			httpserver.WriteError(r.Context(), w, h.Log, err)
			return
		}
	}
	out := &started{Writer: w}
	result, err := Create(r.Context(), h.Store, files, out, h.Log, time.Now())
	switch {
	case err != nil && !out.yes:
		httpserver.WriteError(r.Context(), w, h.Log, err)
	case err != nil:
		h.Log.ErrorContext(r.Context(), "the backup was interrupted", "error", err)
		panic(http.ErrAbortHandler) // the client sees an incomplete response
	default:
		if err := Record(r.Context(), h.Store.Tasks, result, time.Now()); err != nil {
			h.Log.WarnContext(r.Context(), "the time of the backup was not recorded", "error", err)
		}
		h.Log.InfoContext(r.Context(), "backup created", "jobs", result.Jobs, "damaged", result.Damaged)
	}
}

// started remembers whether something was written.
type started struct {
	io.Writer
	yes bool
}

func (s *started) Write(p []byte) (int, error) {
	s.yes = true
	return s.Writer.Write(p)
}

// restore ignores the files: the sender of the backup has them.
func (h *Handler) restore(w http.ResponseWriter, r *http.Request) {
	// A backup that was sent completely is restored completely, even if the client is gone.
	result, err := Restore(context.WithoutCancel(r.Context()), h.Store, r.Body, func(backup.File) error { return nil }, time.Now)
	if err != nil {
		httpserver.WriteError(r.Context(), w, h.Log, err)
		return
	}
	h.Log.InfoContext(r.Context(), "backup restored", "jobs", result.Jobs, "users", result.Users)
	api.Write(w, http.StatusOK, result)
}
