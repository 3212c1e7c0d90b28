package tus_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/api/tus"
	"github.com/soundextract/sx/server/sx"
)

const id = "abc"

// server is a tus server with one upload.
type server struct {
	t          *testing.T
	stored     []byte
	metadata   map[string]string
	terminated bool
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if got := r.Header.Get(tus.HeaderResumable); got != tus.Version {
		s.t.Errorf("%s has %s %q", r.Method, tus.HeaderResumable, got)
	}
	switch r.Method + " " + r.URL.Path {
	case "POST " + api.PathUploads:
		s.metadata, _ = tus.DecodeMetadata(r.Header.Get(tus.HeaderUploadMetadata))
		w.Header().Set("Location", "http://inside.example"+api.PathUploads+id)
		w.WriteHeader(http.StatusCreated)
	case "HEAD " + api.PathUploads + id:
		w.Header().Set(tus.HeaderUploadOffset, strconv.Itoa(len(s.stored)))
	case "PATCH " + api.PathUploads + id:
		if r.Header.Get(tus.HeaderUploadOffset) != strconv.Itoa(len(s.stored)) || r.Header.Get("Content-Type") != tus.ContentType {
			api.WriteError(w, sx.NewError(sx.CodeOffsetConflict, "the upload is at byte %d", len(s.stored)))
			return
		}
		data, _ := io.ReadAll(r.Body)
		s.stored = append(s.stored, data...)
		w.Header().Set(tus.HeaderUploadOffset, strconv.Itoa(len(s.stored)))
		w.WriteHeader(http.StatusNoContent)
	case "DELETE " + api.PathUploads + id:
		s.terminated = true
		w.WriteHeader(http.StatusNoContent)
	default:
		s.t.Errorf("unexpected request %s %s", r.Method, r.URL)
	}
}

func newClient(t *testing.T, h http.Handler) tus.Client {
	t.Helper()
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	c, err := client.New(web.URL, web.Client())
	if err != nil {
		t.Fatal(err)
	}
	return tus.Client{API: c}
}

func TestUpload(t *testing.T) {
	t.Parallel()
	s := &server{t: t}
	c := newClient(t, s)
	video := bytes.Repeat([]byte("video"), 100_000)
	size := int64(len(video))
	want := map[string]string{"filename": "talk.mp4"}
	if got, err := c.Create(t.Context(), size, want, ""); err != nil || got != id || !maps.Equal(s.metadata, want) {
		t.Fatalf("Create gave %q, %v with the metadata %v", got, err, s.metadata)
	}
	const first = 200_000
	var reported int64
	offset, err := c.Send(t.Context(), id, 0, bytes.NewReader(video), first, func(n int64) { reported = n })
	if err != nil || offset != first || reported != first {
		t.Fatalf("Send gave %d, %v and reported %d bytes", offset, err, reported)
	}
	if got, err := c.Offset(t.Context(), id); err != nil || got != first {
		t.Fatalf("Offset gave %d, %v", got, err)
	}
	if offset, err := c.Send(t.Context(), id, first, bytes.NewReader(video[first:]), size-first, nil); err != nil || offset != size {
		t.Fatalf("Send gave %d, %v", offset, err)
	}
	if !bytes.Equal(s.stored, video) {
		t.Error("other bytes were stored")
	}
	if err := c.Terminate(t.Context(), id); err != nil || !s.terminated {
		t.Errorf("Terminate: %v", err)
	}
}

func TestServerErrors(t *testing.T) {
	t.Parallel()
	c := newClient(t, &server{t: t})
	if _, err := c.Send(t.Context(), id, 7, bytes.NewReader(nil), 0, nil); sx.CodeOf(err) != sx.CodeOffsetConflict {
		t.Errorf("got %v, want the server's error", err)
	}
}

func TestSourceErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("bad sector")
	for name, tt := range map[string]struct {
		src  io.Reader
		want error
	}{
		"too short":  {bytes.NewReader(make([]byte, 1000)), io.ErrUnexpectedEOF},
		"unreadable": {io.MultiReader(bytes.NewReader(make([]byte, 1000)), errorReader{broken}), broken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, &server{t: t})
			var source *tus.SourceError
			if _, err := c.Send(t.Context(), id, 0, tt.src, 5000, nil); !errors.As(err, &source) || !errors.Is(err, tt.want) {
				t.Errorf("got %v, want a SourceError of %v", err, tt.want)
			}
		})
	}
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

func TestCancelledSend(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := newClient(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server notices a closed connection only after it has read the body
		cancel()
		<-r.Context().Done()
	}))
	if _, err := c.Send(ctx, id, 0, bytes.NewReader(make([]byte, 1000)), 1000, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestUnexpectedAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"web page":    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"no location": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) },
		"no offset":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, answer)
			_, create := c.Create(t.Context(), 1, nil, "")
			_, offset := c.Offset(t.Context(), id)
			_, send := c.Send(t.Context(), id, 0, bytes.NewReader([]byte("x")), 1, nil)
			for call, err := range map[string]error{
				"Create": create, "Offset": offset, "Send": send, "Terminate": c.Terminate(t.Context(), id),
			} {
				if sx.CodeOf(err) != sx.CodeForeign {
					t.Errorf("%s: got %v, want code foreign_response", call, err)
				}
			}
		})
	}
}
