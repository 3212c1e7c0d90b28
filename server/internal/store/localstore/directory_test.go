package localstore_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/sx"
)

// refuses checks that the directory cannot be opened, and the error.
func refuses(t *testing.T, dir string, words ...string) {
	t.Helper()
	s, err := localstore.Open(t.Context(), localstore.Config{Dir: dir})
	if err == nil {
		_ = s.Close()
		t.Fatal("Open accepted the directory")
	}
	e := sx.AsError(err)
	if e.Code != sx.CodeUnavailable {
		t.Errorf("Open returned %v (code %s), want code unavailable", err, e.Code)
	}
	for _, w := range append(words, dir, "--data") {
		if !strings.Contains(e.Message+"\n"+e.Hint, w) {
			t.Errorf("neither message nor hint contains %q: %s; %s", w, e.Message, e.Hint)
		}
	}
}

func TestOnlyTheOwnerReadsTheDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "data")
	s := open(t, dir)
	defer func() { _ = s.Close() }()
	ctx := t.Context()
	if err := s.Videos.Create(ctx, "v1", "a.mp4", 3); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Tracks.Put(ctx, "t1", "a.mp3", store.Head{}, strings.NewReader("abc")); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
		return nil
	})
	if err != nil || files != 4 {
		t.Errorf("%d files, %v, want sx.db, the spare file, a video and a track", files, err)
	}
}

func TestOneProcessOpensTheDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	half := filepath.Join(dir, "tmp", "half")
	if err := os.WriteFile(half, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refuses(t, dir, "in use by another sxd", "stop the other sxd")
	if _, err := os.Stat(half); err != nil {
		t.Errorf("the refused Open cleared tmp: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(half); err == nil {
		t.Error("Open left a file in tmp")
	}
}

func TestUnusableDirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refuses(t, file, "cannot be used")

	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sx.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	refuses(t, dir, "sx.db")
}

func TestDamagedRecords(t *testing.T) {
	t.Parallel()
	intact := t.TempDir()
	s := open(t, intact)
	for _, id := range []string{"a", "b", "c", "d"} {
		j := sx.Job{ID: id, Worker: strings.Repeat("long name ", 2000)}
		if err := s.Jobs.Create(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(intact, "sx.db"))
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	for _, c := range []struct {
		name   string
		damage func([]byte) []byte
	}{
		{"another kind of file", func([]byte) []byte { return bytes.Repeat([]byte("not a database "), 5000) }},
		{"only the first bytes", func(b []byte) []byte { return b[:100] }},
		{"truncated after the first pages", func(b []byte) []byte { return b[:2*page] }},
		{"truncated in half", func(b []byte) []byte { return b[:len(b)/2/page*page] }},
		{"truncated within a record", func(b []byte) []byte { return b[:bytes.LastIndex(b, []byte("long name "))/page*page] }},
		{"pages of zeros", func(b []byte) []byte { return append(b[:2*page:2*page], make([]byte, len(b)-2*page)...) }},
		{"pages of noise", func(b []byte) []byte {
			return append(b[:2*page:2*page], bytes.Repeat([]byte{0xa5, 0x5a, 0x01}, len(b)/3)...)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "sx.db"), c.damage(bytes.Clone(data)), 0o600); err != nil {
				t.Fatal(err)
			}
			refuses(t, dir, "sx.db is damaged", "backup")
		})
	}
}

// edit changes sx.db while no store has it open.
func edit(t *testing.T, dir, bucket, key, value string) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, "sx.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(bucket)).Put([]byte(key), []byte(value))
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestPingDetectsAMissingDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+"-gone"); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); sx.CodeOf(err) != sx.CodeUnavailable {
		t.Errorf("Ping returned %v, want code unavailable", err)
	}
	if err := s.Videos.Create(t.Context(), "v1", "a.mp4", 1); err == nil {
		t.Error("Create succeeded")
	}
	if _, err := s.Tracks.Put(t.Context(), "t1", "a.mp3", store.Head{}, strings.NewReader("abc")); err == nil {
		t.Error("Put succeeded")
	}
	if _, _, err := s.Tracks.List(t.Context(), "", 100); err == nil {
		t.Error("List succeeded")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestClosedStoreIsUnavailable(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); sx.CodeOf(err) != sx.CodeUnavailable {
		t.Errorf("Ping returned %v, want code unavailable", err)
	}
	if err := s.Jobs.Create(t.Context(), sx.Job{ID: "a"}); sx.CodeOf(err) != sx.CodeUnavailable {
		t.Errorf("Create returned %v, want code unavailable", err)
	}
}
