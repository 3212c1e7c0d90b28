// Package tusserver serves uploads by the tus protocol, version 1.0.0
// (https://tus.io/protocols/resumable-upload), with the extensions creation,
// creation-with-upload, expiration and termination. A Store decides what an
// upload is, who may use it and where its bytes are stored.
package tusserver

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/tus"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

const extensions = "creation,creation-with-upload,expiration,termination"

// saveTimeout bounds storing the bytes of a request whose client has
// disconnected.
const saveTimeout = 10 * time.Second

// Upload is a file that is being uploaded.
type Upload struct {
	ID       string
	Size     int64 // bytes in total
	Offset   int64 // bytes that are durably stored
	Metadata map[string]string
	Expires  time.Time // zero if it does not expire
}

// Store keeps uploads. Its errors are sent to the client unchanged, with the
// HTTP status of their code.
type Store interface {
	// Create creates an upload of size bytes for the caller. It may return one with some
	// of its bytes, if the caller has asked for the same before.
	Create(ctx context.Context, size int64, metadata map[string]string) (Upload, error)
	// Get returns the upload if the caller may use it.
	Get(ctx context.Context, id string) (Upload, error)
	// Append stores body at the upload's offset and returns the upload's new state, even with
	// an error. If body ends early, Append stores the bytes up to there and does not return
	// body's error. It is never called concurrently for one upload in this process.
	Append(ctx context.Context, u Upload, body *Body) (Upload, error)
	// Terminate removes an upload that Get has returned.
	Terminate(ctx context.Context, id string) error
}

// Handler serves the requests of the protocol. If a method returns an error, it
// has not sent a response. If the ctx of a request ends with the cause
// http.ErrServerClosed, what its body has sent so far is stored.
type Handler struct {
	Store   Store
	Locks   *Locks
	Path    string // of the collection; an upload's path is Path + its id
	MaxSize int64  // bytes of one upload; 0 is no limit
}

// Describe serves OPTIONS on Path.
func (h *Handler) Describe(w http.ResponseWriter, _ *http.Request) error {
	header := w.Header()
	header.Set(tus.HeaderResumable, tus.Version)
	header.Set(tus.HeaderVersion, tus.Version)
	header.Set(tus.HeaderExtension, extensions)
	if h.MaxSize > 0 {
		header.Set(tus.HeaderMaxSize, strconv.FormatInt(h.MaxSize, 10))
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// Create serves POST on Path.
func (h *Handler) Create(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set(tus.HeaderResumable, tus.Version)
	if !checkVersion(w, r) {
		return nil
	}
	size, err := strconv.ParseInt(r.Header.Get(tus.HeaderUploadLength), 10, 64)
	if err != nil || size < 0 {
		return sx.NewError(sx.CodeInvalid, "the header %s is not a number of bytes", tus.HeaderUploadLength).
			WithHint("send the size of the file; it cannot be deferred")
	}
	metadata, err := tus.DecodeMetadata(r.Header.Get(tus.HeaderUploadMetadata))
	if err != nil {
		return err
	}
	u, err := h.create(r.Context(), size, metadata)
	if err != nil {
		return err
	}
	// Only a path, because behind a proxy the server may not know its own
	// address. It is sent with errors too, because the upload can be continued.
	w.Header().Set("Location", h.Path+u.ID)
	switch {
	case u.Offset > 0: // the client continues there
		writeProgress(w, u)
	case r.Header.Get("Content-Type") == tus.ContentType:
		return h.receive(w, r, u, 0, http.StatusCreated)
	default:
		writeExpires(w, u)
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}

func (h *Handler) create(ctx context.Context, size int64, metadata map[string]string) (Upload, error) {
	if h.MaxSize > 0 && size > h.MaxSize {
		return Upload{}, sx.NewError(sx.CodeTooLarge, "the file is larger than this server accepts")
	}
	return h.Store.Create(ctx, size, metadata)
}

// Head serves HEAD on an upload. It ends a PATCH that is still running, because
// its client is about to continue with another request.
func (h *Handler) Head(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set(tus.HeaderResumable, tus.Version)
	ctx, id := r.Context(), r.PathValue("id")
	// Get first: only a caller who may use the upload may end its other
	// requests.
	if _, err := h.Store.Get(ctx, id); err != nil {
		return err
	}
	release, err := h.Locks.Lock(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	u, err := h.Store.Get(ctx, id)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set(tus.HeaderUploadLength, strconv.FormatInt(u.Size, 10))
	header.Set(tus.HeaderUploadMetadata, tus.EncodeMetadata(u.Metadata))
	writeProgress(w, u)
	w.WriteHeader(http.StatusOK)
	return nil
}

// Patch serves PATCH on an upload.
func (h *Handler) Patch(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set(tus.HeaderResumable, tus.Version)
	u, err := h.Store.Get(r.Context(), r.PathValue("id")) // as in Head
	if err != nil || !checkVersion(w, r) {
		return err
	}
	if r.Header.Get("Content-Type") != tus.ContentType {
		return sx.NewError(sx.CodeInvalid, "the body does not have the type %s", tus.ContentType).
			WithHint("send Content-Type: %s", tus.ContentType)
	}
	offset, err := strconv.ParseInt(r.Header.Get(tus.HeaderUploadOffset), 10, 64)
	if err != nil || offset < 0 {
		return sx.NewError(sx.CodeInvalid, "the header %s is not a number of bytes", tus.HeaderUploadOffset).
			WithHint("send the offset that HEAD returned")
	}
	return h.receive(w, r, u, offset, http.StatusNoContent)
}

// Delete serves DELETE on an upload.
func (h *Handler) Delete(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set(tus.HeaderResumable, tus.Version)
	ctx, id := r.Context(), r.PathValue("id")
	if _, err := h.Store.Get(ctx, id); err != nil || !checkVersion(w, r) { // as in Head
		return err
	}
	release, err := h.Locks.Lock(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	if err := h.Store.Terminate(ctx, id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// receive stores the body at the offset and responds with status.
func (h *Handler) receive(w http.ResponseWriter, r *http.Request, u Upload, offset int64, status int) error {
	ctx := r.Context()
	body := newBody(w, r, u.Size-offset)
	release, err := h.Locks.Preempt(ctx, u.ID, body.stop)
	if err != nil {
		return err
	}
	defer release()
	if u, err = h.Store.Get(ctx, u.ID); err != nil {
		return err
	}
	switch {
	case offset != u.Offset:
		return sx.NewError(sx.CodeOffsetConflict, "the upload is at offset %d, not at %d", u.Offset, offset)
	case offset == u.Size: // complete
	case r.ContentLength > u.Size-offset:
		err = errTooLong
	default:
		u, err = h.append(ctx, w, u, body)
	}
	if errors.Is(err, errTooLong) {
		refuse(w, http.StatusRequestEntityTooLarge, errTooLong)
		return nil
	}
	if err != nil {
		return err
	}
	writeProgress(w, u)
	w.WriteHeader(status)
	return nil
}

func (h *Handler) append(ctx context.Context, w http.ResponseWriter, u Upload, body *Body) (Upload, error) {
	unwatch := context.AfterFunc(ctx, func() {
		if stopping(ctx) {
			body.stop(errStopping)
		}
	})
	defer unwatch()
	later, cancel := withSaveTimeout(ctx)
	defer cancel()
	u, err := h.Store.Append(later, u, body)
	early := body.End()
	if early == nil {
		return u, err
	}
	w.Header().Set("Connection", "close") // its read deadline may have expired
	if u.Offset == u.Size && !errors.Is(early, errTooLong) {
		return u, err // all bytes are stored, however the request ended
	}
	return u, early // more specific than an error of the store that follows from it
}

// withSaveTimeout returns a context that ends saveTimeout after ctx.
func withSaveTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		_ = backoff.Sleep(later, saveTimeout)
		cancel()
	})
	return later, cancel
}

// checkVersion reports whether the client uses a supported version of the
// protocol; if not, it has sent the response.
func checkVersion(w http.ResponseWriter, r *http.Request) bool {
	version := r.Header.Get(tus.HeaderResumable)
	if version == tus.Version {
		return true
	}
	w.Header().Set(tus.HeaderVersion, tus.Version)
	refuse(w, http.StatusPreconditionFailed, sx.NewError(sx.CodeInvalid, "version %q of the tus protocol is not supported", version).
		WithHint("send %s: %s", tus.HeaderResumable, tus.Version))
	return false
}

// refuse sends an error with a status that the protocol requires.
func refuse(w http.ResponseWriter, status int, err error) {
	api.Write(w, status, api.ErrorBody{Error: api.FromError(err)})
}

func writeProgress(w http.ResponseWriter, u Upload) {
	w.Header().Set(tus.HeaderUploadOffset, strconv.FormatInt(u.Offset, 10))
	writeExpires(w, u)
}

func writeExpires(w http.ResponseWriter, u Upload) {
	if !u.Expires.IsZero() {
		w.Header().Set(tus.HeaderUploadExpires, u.Expires.UTC().Format(http.TimeFormat))
	}
}
