package gateway_test

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

func archivePath(ids ...string) string {
	return api.PathArchive + "?id=" + strings.Join(ids, "&id=")
}

func TestArchive(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	var ids, want []string
	for i, name := range []struct{ source, inArchive string }{
		{"week 1/Übung.mp4", "week 1/Übung.mp3"},
		{"WEEK 1/übung.mov", "WEEK 1/übung (2).mp3"},
		{"week 1/U\u0308bung.mkv", "week 1/U\u0308bung (3).mp3"}, // the same after normalisation
		{"week 1/übung (2).mkv", "week 1/übung (2) (2).mp3"},
		{"con/a:b?.mp4", "_con/a_b_.mp3"},
		{`..\..\nul.mp4`, `_.._nul.mp3`},
		{"../../.ssh/x.mp4", "ssh/x.mp3"},
		{"a.mp4", "a.mp3"},
		{"a.mp3/b.mp4", "a.mp3_/b.mp3"},
	} {
		id := f.upload(alice, name.source, video(uint64(40+i), 5000))
		f.convert(id, []byte("MP3 of "+name.source))
		ids, want = append(ids, id), append(want, name.inArchive+": MP3 of "+name.source)
	}
	for i, dir := range []string{"week 1/talk", "week 1/talk (2)"} { // several MP3s have a directory
		id := f.upload(alice, "week 1/talk"+[]string{".mp4", ".mkv"}[i], video(uint64(60+i), 5000))
		f.convert(id, []byte("one"), []byte("two"))
		ids, want = append(ids, id), append(want, dir+"/talk - 01.mp3: one", dir+"/talk - 02.mp3: two")
	}
	a := f.do(alice, http.MethodGet, archivePath(ids...), nil).want(t, http.StatusOK)
	for key, want := range map[string]string{
		"Content-Type": "application/zip", "Content-Length": strconv.Itoa(len(a.body)), "Cache-Control": "private, no-store",
		"Content-Disposition": "attachment; filename=soundextract.zip", "X-Content-Type-Options": "nosniff",
	} {
		if got := a.header.Get(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	r, err := zip.NewReader(bytes.NewReader(a.body), int64(len(a.body)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, file := range r.File {
		content, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(content)
		if err != nil {
			t.Errorf("%s: %v", file.Name, err)
		}
		got = append(got, file.Name+": "+string(raw))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	head := f.do(alice, http.MethodHead, archivePath(ids...), nil).want(t, http.StatusOK)
	if head.header.Get("Content-Length") != strconv.Itoa(len(a.body)) {
		t.Errorf("HEAD states %s bytes", head.header.Get("Content-Length"))
	}
}

// TestBrokenArchive removes an MP3 that the archive needs: the response has begun, and must
// not look complete.
func TestBrokenArchive(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	first, second := f.upload(alice, "a.mp4", video(50, 5000)), f.upload(alice, "b.mp4", video(51, 5000))
	f.convert(first, bytes.Repeat([]byte("first"), 100_000))
	lost := f.convert(second, []byte("second")).Tracks[0].ID
	if err := f.store.Tracks.Remove(context.Background(), lost); err != nil {
		t.Fatal(err)
	}
	a, err := f.send(alice, http.MethodGet, archivePath(first, second), nil)
	if err == nil {
		t.Errorf("the response ended with status %d after %d bytes, as if it were complete", a.status, len(a.body))
	}
	if _, err := zip.NewReader(bytes.NewReader(a.body), int64(len(a.body))); err == nil || len(a.body) < 500_000 {
		t.Errorf("%d bytes arrived, and they look like an archive", len(a.body))
	}
	if !strings.Contains(f.logs.String(), "an archive was not sent completely") {
		t.Error("the cause is not in the log")
	}
}

func TestRefusedArchives(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	done, queued := f.upload(alice, "a.mp4", video(52, 5000)), f.upload(alice, "b.mp4", video(53, 5000))
	f.convert(done, []byte("an MP3"))
	var many []string
	for i := range 101 {
		many = append(many, strconv.Itoa(i))
	}
	for _, tt := range []struct {
		name, user, path string
		want             sx.Code
	}{
		{"no job", alice, api.PathArchive, sx.CodeInvalid},
		{"too many", alice, archivePath(many...), sx.CodeInvalid},
		{"an unknown one", alice, archivePath(done, "unknown"), sx.CodeNotFound},
		{"another's", bob, archivePath(done), sx.CodeNotFound},
		{"one that is not done", alice, archivePath(done, queued), sx.CodeConflict},
		{"no token", "", archivePath(done), sx.CodeUnauthenticated},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f.do(tt.user, http.MethodGet, tt.path, nil).wantCode(t, tt.want)
		})
	}
}
