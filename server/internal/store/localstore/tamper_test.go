package localstore_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

func upload(t *testing.T, s store.Store, id string, size int64, data string) {
	t.Helper()
	if err := s.Videos.Create(t.Context(), id, "a.mp4", size); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Videos.Append(t.Context(), id, 0, strings.NewReader(data)); err != nil {
		t.Fatal(err)
	}
}

// TestUploadThatLostBytes removes acknowledged bytes: the upload starts over, even
// if the file grows again.
func TestUploadThatLostBytes(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(path string) error{
		"shorter": func(path string) error { return os.Truncate(path, 2) },
		"gone":    os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, dir := t.Context(), t.TempDir()
			s := open(t, dir)
			defer func() { _ = s.Close() }()
			upload(t, s, "v1", 6, "abcde")
			if err := damage(filepath.Join(dir, "videos", "v1", "v1")); err != nil {
				t.Fatal(err)
			}
			if up, err := s.Videos.Stat(ctx, "v1"); err != nil || up.Offset != 0 {
				t.Errorf("the upload is %+v, %v, want offset 0", up, err)
			}
			if _, err := s.Videos.Append(ctx, "v1", 5, strings.NewReader("f")); sx.CodeOf(err) != sx.CodeOffsetConflict {
				t.Errorf("Append at the lost offset returned %v, want code offset_conflict", err)
			}
			if err := os.WriteFile(filepath.Join(dir, "videos", "v1", "v1"), []byte("??????????"), 0o600); err != nil {
				t.Fatal(err)
			}
			if n, err := s.Videos.Append(ctx, "v1", 0, strings.NewReader("uvwxyz")); n != 6 || err != nil {
				t.Fatalf("Append returned %d, %v", n, err)
			}
			const want = "5347f5b986fa92683f21a1e5287025ca2706f1339040d8ee922c9671b9d033dd" // of uvwxyz
			if up, err := s.Videos.Complete(ctx, "v1"); err != nil || up.SHA256 != want {
				t.Errorf("the video is %+v, %v", up, err)
			}
			b, err := s.Videos.Open(ctx, "v1")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = b.Close() }()
			if got, err := io.ReadAll(b); err != nil || string(got) != "uvwxyz" {
				t.Errorf("the video contains %q, %v", got, err)
			}
		})
	}
}

func TestVideoThatLostBytes(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	s := open(t, dir)
	defer func() { _ = s.Close() }()
	upload(t, s, "v1", 3, "abc")
	if _, err := s.Videos.Complete(ctx, "v1"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "videos", "v1", "v1")
	if err := os.Truncate(file, 2); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Videos.Open(ctx, "v1"); err == nil || !strings.Contains(err.Error(), "2 of 3 bytes") {
		t.Errorf("Open of a short video returned %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Videos.Open(ctx, "v1"); err == nil || !strings.Contains(err.Error(), "v1") {
		t.Errorf("Open of a lost video returned %v", err)
	}
	if err := s.Videos.Remove(ctx, "v1"); err != nil {
		t.Errorf("Remove returned %v", err)
	}
}

// TestFilesWithoutRecord covers what a crash during Create leaves.
func TestFilesWithoutRecord(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	file := filepath.Join(dir, "videos", "v1", "v1")
	s := open(t, dir)
	defer func() { _ = s.Close() }()
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("leftover"), 0o600); err != nil {
		t.Fatal(err)
	}
	if list, _, err := s.Videos.List(ctx, "", 100); err != nil || !slices.Equal(list, []string{"v1"}) {
		t.Errorf("List returned %v, %v, want v1", list, err)
	}
	if err := s.Videos.Create(ctx, "v1", "a.mp4", 3); err != nil {
		t.Errorf("Create over the file returned %v", err)
	}
	if err := s.Videos.Remove(ctx, "v1"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("Remove left the file")
	}
}

func TestBrokenPutLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	defer func() { _ = s.Close() }()
	src := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(errors.New("broken")))
	if _, err := s.Tracks.Put(t.Context(), "t1", "a.mp3", store.Head{}, src); err == nil {
		t.Error("Put succeeded")
	}
	if left, err := os.ReadDir(filepath.Join(dir, "tmp")); err != nil || len(left) != 0 {
		t.Errorf("tmp contains %v, %v, want nothing", left, err)
	}
}

// TestUndecodableRecords checks the errors for records that cannot be decoded.
func TestUndecodableRecords(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	edit(t, dir, "jobs", "j1", `{"ID": 7}`)
	edit(t, dir, "uploads", "v1", `{"Size": 0, "DigestState": "AAAA"}`)
	s := open(t, dir)
	defer func() { _ = s.Close() }()
	_, err := s.Jobs.Get(ctx, "j1")
	if err == nil || !strings.Contains(err.Error(), "decode job j1") {
		t.Errorf("Get returned %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "videos", "v1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "videos", "v1", "v1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = s.Videos.Append(ctx, "v1", 0, strings.NewReader("a"))
	if sx.CodeOf(err) != sx.CodeInternal || !strings.Contains(err.Error(), "state") {
		t.Errorf("Append returned %v", err)
	}
	if _, err = s.Videos.Complete(ctx, "v1"); sx.CodeOf(err) != sx.CodeInternal {
		t.Errorf("Complete returned %v", err)
	}
}

// TestStoredForm pins the encoding of records: a program with format 1 reads what
// any other with format 1 wrote.
func TestStoredForm(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	edit(t, dir, "jobs", "j1", `{"ID":"j1","Owner":"u1","State":"done",
		"Options":{"Preset":"small","Bitrate":128,"Quality":2,"Mono":true,"Track":"eng","KeepAllTags":true,"Start":1.5,"End":90,"Loudness":"auto","SplitChapters":true,"SplitEvery":60,"Title":"t","Artist":"b","Album":"c"},
		"Sent":{"Name":"a.mp4","Size":7,"SHA256":"aa","AudioOnly":true},"Sources":[{"Name":"b.mp4","Size":9,"SHA256":"cc","Identity":"file1:cc"}],
		"Tracks":[{"Number":1,"ID":"j1-1","Name":"a.mp3","Size":5,"SHA256":"bb","Duration":1500000000,
			"Title":"t","Artist":"b","Album":"c"}],
		"Labels":["x"],"Warnings":[{"Code":"c","Message":"m"}],
		"Error":{"Code":"truncated","Message":"m","Hint":"h"},
		"Progress":12.5,"Remaining":2000000000,"Attempt":1,"Failures":2,"LeaseExpirations":3,"Worker":"w",
		"Lease":"2024-02-29T00:00:01Z","NotBefore":"2024-02-29T00:00:02Z","Notification":"sent",
		"Created":"2024-02-29T00:00:03.004Z","Updated":"2024-02-29T00:00:04Z","Rev":9}`)
	s := open(t, dir)
	defer func() { _ = s.Close() }()
	j, err := s.Jobs.Get(t.Context(), "j1")
	if err != nil {
		t.Fatal(err)
	}
	at := func(ms int64) time.Time {
		return time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC).Add(time.Duration(ms) * time.Millisecond)
	}
	if j.Owner != "u1" || j.State != sx.StateDone || j.Options.Preset != "small" || j.Options.Bitrate != 128 ||
		*j.Options.Quality != 2 || !j.Options.Mono || j.Options.Track != "eng" || !j.Options.KeepAllTags ||
		j.Options.Start != 1.5 || j.Options.End != 90 || j.Options.Loudness != "auto" || !j.Options.SplitChapters || j.Options.SplitEvery != 60 ||
		j.Options.Title != "t" || j.Options.Artist != "b" || j.Options.Album != "c" ||
		j.Sent != (sx.Sent{Name: "a.mp4", Size: 7, SHA256: "aa", AudioOnly: true}) ||
		*j.Track(1) != (sx.Track{Number: 1, ID: "j1-1", Name: "a.mp3", Size: 5, SHA256: "bb", Duration: 1500 * time.Millisecond, Title: "t", Artist: "b", Album: "c"}) ||
		!slices.Equal(j.Sources, []sx.Source{{Name: "b.mp4", Size: 9, SHA256: "cc", Identity: "file1:cc"}}) || !slices.Equal(j.Labels, []string{"x"}) ||
		!slices.Equal(j.Warnings, []sx.Warning{{Code: "c", Message: "m"}}) ||
		j.Error.Code != "truncated" || j.Error.Message != "m" || j.Error.Hint != "h" ||
		j.Progress != 12.5 || j.Remaining != 2*time.Second || j.Attempt != 1 || j.Failures != 2 || j.LeaseExpirations != 3 ||
		j.Worker != "w" || !j.Lease.Equal(at(1000)) || !j.NotBefore.Equal(at(2000)) || j.Notification != "sent" ||
		!j.Created.Equal(at(3004)) || !j.Updated.Equal(at(4000)) || j.Rev != 9 {
		t.Errorf("the job was read as %+v", j)
	}
}
