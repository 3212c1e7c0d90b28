package convert_test

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

func TestInterruptedConversion(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.server.Convert = nil
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.server.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == api.PathEvents {
			cancel()
			<-r.Context().Done()
			return true
		}
		return false
	}
	_, errOut, err := f.run(ctx, t, false, f.file("a.mp4"), "-o", f.file("x.mp3"))
	if cmdutil.ErrorCode(err) != sx.CodeInterrupted {
		t.Fatalf("ended with %v", err)
	}
	if want := "a.mp4: the server continues; download the MP3 later with: sx download " + f.server.Jobs()[0].ID + " -o " + f.file("x.mp3"); !strings.Contains(errOut, want) {
		t.Errorf("%q is not in %q", want, errOut)
	}
}

// TestInterruptedWithoutServer checks that sx does not promise anything for a server that is
// down.
func TestInterruptedWithoutServer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.server.Convert = nil
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.server.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == api.PathEvents {
			cancel()
		}
		if ctx.Err() != nil {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	_, errOut, err := f.run(ctx, t, false, f.file("a.mp4"), "-o", f.file("x.mp3"))
	if cmdutil.ErrorCode(err) != sx.CodeInterrupted {
		t.Fatalf("ended with %v", err)
	}
	if want := "a.mp4: the server does not respond; once it does, run the same command again to continue"; !strings.Contains(errOut, want) || strings.Contains(errOut, "the server continues") {
		t.Errorf("said %q, want %q", errOut, want)
	}
}

// TestTwoRunsAtOnce checks that a second run of the same command waits for the first where
// both would do the same work, and that nothing is sent twice.
func TestTwoRunsAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	args := []string{f.dir, "-o", f.file("out")}
	waits := make(chan struct{})
	f.server.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			select { // the first run sends no byte before the second one is there
			case <-waits:
			case <-r.Context().Done():
			}
		}
		return false
	}
	first := make(chan error, 1)
	go func() {
		_, _, err := f.run(t.Context(), t, false, args...)
		first <- err
	}()
	testkit.Eventually(t, "the first run has created an upload", func() bool { return len(f.server.Jobs()) == 1 })
	streams, out, _ := term.Test("")
	said := &watchedOutput{want: "another sx is sending this file; waiting until it has finished", found: sync.OnceFunc(func() { close(waits) })}
	streams.ErrOut = said
	if err := f.runOn(t.Context(), t, streams, args...); err != nil {
		t.Fatalf("the second run: %v, said %q", err, said.text.String())
	}
	if err := <-first; err != nil {
		t.Errorf("the first run: %v", err)
	}
	f.wantJobs(t, 3)
	if n := strings.Count(out.String(), "\n"); n != 3 || !strings.Contains(said.text.String(), "a.mp4: already there") {
		t.Errorf("printed %d lines, said %q", n, said.text.String())
	}
	for _, name := range []string{"a", "b", "c"} {
		f.check(t, filepath.Join(f.dir, "out", name+".mp3"), name+".mp4")
	}
}

// watchedOutput calls found once what was written contains want.
type watchedOutput struct {
	want  string
	found func()
	mu    sync.Mutex
	text  strings.Builder
}

func (w *watchedOutput) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if strings.Contains(w.text.String(), w.want) {
		w.found()
	}
	return len(p), nil
}
