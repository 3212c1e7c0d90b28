package gateway

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	tusd "github.com/tus/tusd/v2/pkg/handler"
	"golang.org/x/exp/slog"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// stallLimit is how long a request may bring no bytes before it is given up;
// the client asks for the offset and goes on.
const stallLimit = time.Minute

// saveLimit is how long the bytes of a broken connection may take to be stored.
const saveLimit = 10 * time.Second

// newTus makes the handler that knows the tus protocol. It keeps no locks:
// turns does, because its own way of stopping a request can miss one that has
// not begun to read. Its log would repeat each request's line; what matters of
// it comes back as errors.
func newTus(s *Service) *tusd.UnroutedHandler {
	composer := tusd.NewStoreComposer()
	composer.UseCore(tusStore{s})
	composer.UseTerminater(tusStore{s})
	h, err := tusd.NewUnroutedHandler(tusd.Config{
		StoreComposer:                    composer,
		MaxSize:                          s.cfg.MaxUpload,
		BasePath:                         api.PathUploads,
		Cors:                             &tusd.CorsConfig{Disable: true},
		Logger:                           slog.New(slog.NewTextHandler(io.Discard, nil)),
		GracefulRequestCompletionTimeout: saveLimit,
		NetworkTimeout:                   stallLimit,
	})
	if err != nil {
		panic(err) // only a wrong constant above can be refused
	}
	return h
}

const (
	tusVersion    = "1.0.0"
	tusExtensions = "creation,creation-with-upload,termination,expiration"
)

// describeUploads tells a tus client what is offered.
func (s *Service) describeUploads(w http.ResponseWriter, _ *http.Request) error {
	h := w.Header()
	h.Set("Tus-Resumable", tusVersion)
	h.Set("Tus-Version", tusVersion)
	h.Set("Tus-Extension", tusExtensions)
	if s.cfg.MaxUpload > 0 {
		h.Set("Tus-Max-Size", strconv.FormatInt(s.cfg.MaxUpload, 10))
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// createUpload takes a new upload, and its first bytes if the request has some.
func (s *Service) createUpload(w http.ResponseWriter, r *http.Request) error {
	p, r := newPiece(w, r)
	defer func() {
		if p.release != nil {
			p.release()
		}
	}()
	s.serveTus(w, r, s.tus.PostFile)
	return nil
}

// useUpload answers HEAD, PATCH and DELETE of one upload. Who may do that is
// settled before the turn is taken, so that nobody can stop a stranger's upload.
func (s *Service) useUpload(w http.ResponseWriter, r *http.Request) error {
	ctx, id := r.Context(), r.PathValue("id")
	if _, err := s.owned(ctx, id); err != nil {
		return err
	}
	p, r := newPiece(w, r)
	var release func()
	var err error
	serve := s.tus.PatchFile
	switch r.Method {
	case http.MethodHead:
		serve = s.tus.HeadFile
		release, err = s.locks.Lock(ctx, id)
	case http.MethodDelete:
		serve = s.tus.DelFile
		release, err = s.locks.Lock(ctx, id)
	default:
		release, err = s.locks.Preempt(ctx, id, p.stop)
	}
	if err != nil {
		return err
	}
	defer release()
	u := *r.URL // the access log wants the old one
	u.Path = id // where the tus handler looks for it
	r.URL = &u
	s.serveTus(w, r, serve)
	return nil
}

// serveTus answers by the tus handler, with errors and locations in our form.
func (s *Service) serveTus(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	r.Header.Del("X-HTTP-Method-Override") // the route is chosen already
	answer := &tusAnswer{ResponseWriter: w, piece: pieceOf(r.Context())}
	s.tus.Middleware(serve).ServeHTTP(answer, r)
	answer.finish()
}

// owned gives the job if the request's sender owns it, else an Error of code
// not_found, as if there were none.
func (s *Service) owned(ctx context.Context, id string) (sx.Job, error) {
	j, err := s.cfg.Jobs.Get(ctx, id)
	if err != nil && sx.CodeOf(err) != sx.CodeNotFound {
		return sx.Job{}, err
	}
	if err != nil || j.Owner != owner(ctx) {
		return sx.Job{}, sx.NewError(sx.CodeNotFound, "job %s not found", id)
	}
	return j, nil
}
