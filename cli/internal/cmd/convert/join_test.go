package convert_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soundextract/sx/cli/internal/transfer"
)

// wantJoined checks that the MP3 is that of the videos, one after another.
func (f *fixture) wantJoined(t *testing.T, path string, videos ...string) {
	t.Helper()
	want := []byte("sound of ")
	for _, name := range videos {
		want = append(want, videoOf(name)...)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s has %d bytes, want %d: %v", path, len(got), len(want), err)
	}
}

func TestJoin(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	args := []string{"--join", f.file("b.mp4"), f.file("a.mp4"), "-o", f.file("talk.mp3")}
	out, errOut := f.succeeds(t, args...)
	f.wantJoined(t, f.file("talk.mp3"), "b.mp4", "a.mp4")
	if out != f.file("talk.mp3")+"\n" || !strings.Contains(errOut, "2 files are joined: b.mp4, a.mp4\n") || !strings.Contains(errOut, "in the order given") {
		t.Errorf("printed %q and %q", out, errOut)
	}
	j := f.server.Jobs()[0]
	if len(j.Sources) != 2 || j.Sources[0].Name != "b.mp4" || j.Sources[1].Sent != int64(len(videoOf("a.mp4"))) || j.Sent.Name != "b.mp4" {
		t.Errorf("the job has %+v and %+v", j.Sources, j.Sent)
	}

	// Again, and from another directory: the MP3 is there. Another order is another MP3.
	if _, errOut = f.succeeds(t, args...); !strings.Contains(errOut, ": already there\n") {
		t.Errorf("said %q", errOut)
	}
	if err := os.Remove(f.file("talk.mp3")); err != nil {
		t.Fatal(err)
	}
	f.succeeds(t, args...)
	f.wantJobs(t, 1)
	f.wantJoined(t, f.file("talk.mp3"), "b.mp4", "a.mp4")
	f.succeeds(t, "--join", f.file("a.mp4"), f.file("b.mp4"), "-o", f.file("other.mp3"))
	f.wantJobs(t, 2)
	f.wantJoined(t, f.file("other.mp3"), "a.mp4", "b.mp4")
	f.succeeds(t, f.file("a.mp4"), "-o", f.file("single.mp3"))
	f.check(t, f.file("single.mp3"), "a.mp4")
	f.wantJobs(t, 3)

	// A file that is not the first changes.
	f.write(t, "a.mp4", videoOf("c.mp4"))
	if err := os.Chtimes(f.file("a.mp4"), time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.run(t.Context(), t, false, args...); err == nil || !strings.Contains(err.Error(), "from another version of the video") {
		t.Errorf("the changed file was taken for the old one: %v", err)
	}
	f.succeeds(t, append(args, "--force")...)
	f.wantJoined(t, f.file("talk.mp3"), "b.mp4", "c.mp4")
}

func TestJoinDirectory(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(t, "dcim/GH010034.MP4", videoOf("a.mp4"))
	f.write(t, "dcim/GH020034.MP4", videoOf("b.mp4"))
	out, _ := f.succeeds(t, "--join", f.file("dcim"), "-o", f.file("out")+"/", "--dry-run", "--json")
	var plan transfer.Plan
	if err := json.Unmarshal([]byte(out), &plan); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(transfer.Plan{Action: "convert", Name: "GH010034.MP4", Path: f.file("out/GH010034.mp3"), Sources: []string{"GH010034.MP4", "GH020034.MP4"}}, plan); diff != "" {
		t.Error(diff)
	}
	f.wantJobs(t, 0)
	f.succeeds(t, "--join", f.file("dcim"), "-o", f.file("out")+"/")
	f.wantJoined(t, f.file("out/GH010034.mp3"), "a.mp4", "b.mp4")
}

func TestJoinResumes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	args := []string{"--join", f.file("a.mp4"), f.file("b.mp4"), f.file("c.mp4"), "-o", f.file("x.mp3")}
	ctx, cancel := context.WithCancel(t.Context())
	patches := 0
	f.server.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			if patches++; patches == 2 {
				cancel()
				panic(http.ErrAbortHandler)
			}
		}
		return false
	}
	if _, _, err := f.run(ctx, t, false, args...); !errors.Is(err, context.Canceled) {
		t.Fatalf("ended with %v", err)
	}
	f.server.Set(func() { f.server.Before = nil })
	// The upload of one of the files is another one.
	f.succeeds(t, f.file("a.mp4"), "-o", f.file("a.mp3"))
	if _, errOut := f.succeeds(t, args...); !strings.Contains(errOut, "resum") {
		t.Errorf("said %q", errOut)
	}
	f.wantJoined(t, f.file("x.mp3"), "a.mp4", "b.mp4", "c.mp4")
	f.wantJobs(t, 2)
}

func TestJoinRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(t, "b.mp3", videoOf("b.mp4"))
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{f.file("a.mp4"), f.file("a.mp4")}, "would be joined twice"},
		{[]string{f.file("a.mp4"), f.file("missing.mp4")}, "no such file"},
		{[]string{f.dir, "--watch"}, "mutually exclusive"},
		{[]string{f.file("a.mp4"), f.file("b.mp3"), "-o", f.file("b.mp3"), "--force"}, "is one of the files to convert"},
	} {
		_, errOut, err := f.run(t.Context(), t, false, append([]string{"--join"}, tt.args...)...)
		if err == nil || !strings.Contains(errOut+err.Error(), tt.want) {
			t.Errorf("%v: %v, said %q", tt.args, err, errOut)
		}
	}
	f.wantJobs(t, 0)
}
