package ziparchive_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/ziparchive"
	"github.com/soundextract/sx/server/testkit"
)

// contents opens strings.
func contents(list ...string) func(int) (io.ReadCloser, error) {
	return func(i int) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(list[i])), nil }
}

func TestWrite(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 28, 12, 0, 2, 0, time.FixedZone("", 3600))
	files := []ziparchive.File{{Name: "a.mp3", Size: 3, Modified: at}, {Name: "Übung/講演.mp3", Size: 0, Modified: at}}
	var out bytes.Buffer
	if err := ziparchive.Write(&out, files, contents("abc", "")); err != nil {
		t.Fatal(err)
	}
	if size, err := ziparchive.Size(files); err != nil || size != int64(out.Len()) {
		t.Errorf("the size is %d, not %d: %v", out.Len(), size, err)
	}
	r, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range r.File {
		if f.Name != files[i].Name || f.NonUTF8 || f.Flags&(1<<11) == 0 || f.Method != zip.Store || !f.Modified.Equal(at) {
			t.Errorf("got %+v", f.FileHeader)
		}
		content, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(content); err != nil || string(got) != []string{"abc", ""}[i] { // checks the checksum too
			t.Errorf("%s: %q, %v", f.Name, got, err)
		}
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	files := []ziparchive.File{{Name: "a.mp3", Size: 3}, {Name: "b.mp3", Size: 3}}
	for name, open := range map[string]func(int) (io.ReadCloser, error){
		"too short": contents("abc", "ab"),
		"too long":  contents("abc", "abcd"),
		"not opened": func(i int) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader("abc")), []error{nil, broken}[i]
		},
	} {
		var out bytes.Buffer
		if err := ziparchive.Write(&out, files, open); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len())); err == nil {
			t.Errorf("%s: the archive looks complete", name)
		}
	}
}

// sparse is a file in which zeros become holes.
type sparse struct {
	*os.File

	zeros []byte
}

func (s sparse) Write(p []byte) (int, error) {
	if !bytes.Equal(p, s.zeros[:min(len(p), len(s.zeros))]) {
		return s.File.Write(p)
	}
	_, err := s.Seek(int64(len(p)), io.SeekCurrent)
	return len(p), err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestZIP64 writes an archive of more than 4 GiB with a file of that size.
func TestZIP64(t *testing.T) {
	testkit.SkipShort(t)
	t.Parallel()
	const large = 1<<32 + 5
	files := []ziparchive.File{{Name: "large.mp3", Size: large}, {Name: "after.mp3", Size: 3}}
	path := filepath.Join(t.TempDir(), "large.zip")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	err = ziparchive.Write(sparse{out, make([]byte, 256<<10)}, files, func(i int) (io.ReadCloser, error) {
		if i == 0 {
			return io.NopCloser(io.LimitReader(zeros{}, large)), nil
		}
		return io.NopCloser(strings.NewReader("abc")), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	info, err := out.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if size, err := ziparchive.Size(files); err != nil || size != info.Size() {
		t.Errorf("the size is %d, not %d: %v", info.Size(), size, err)
	}
	r, err := zip.NewReader(out, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	if f := r.File[0]; f.UncompressedSize64 != large || f.ReaderVersion != 45 {
		t.Errorf("the large file has %+v", f.FileHeader)
	}
	after, err := r.Open("after.mp3")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(after)
	if err != nil || string(got) != "abc" || r.File[1].CRC32 != crc32.ChecksumIEEE(got) {
		t.Errorf("the file after it has %q, %v", got, err)
	}
}
