package audioonly_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/audioonly"
	"github.com/soundextract/sx/server/testkit"
)

func TestUnknownContainers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, data, reason string }{
		{"AVI", "RIFF\x00\x01\x00\x00AVI LIST", "AVI"},
		{"MP3", "ID3\x04\x00\x00\x00\x00\x00\x00", "MP3"},
		{"text", "Dear diary", "text"},
		{"empty", "", "empty"},
	} {
		_, err := audioonly.Open(strings.NewReader(tt.data), int64(len(tt.data)), audioonly.Options{})
		if e, ok := errors.AsType[*audioonly.WholeFileError](err); !ok || !strings.Contains(e.Reason, tt.reason) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

// A disk's error must not look like a property of the file.
func TestReadErrors(t *testing.T) {
	t.Parallel()
	head := []byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom\x00\x01\x00\x00moov")
	for _, working := range []int{0, 4096} {
		r := brokenDisk{bytes.NewReader(append(head, make([]byte, 1<<17)...)), int64(working)}
		_, err := audioonly.Open(r, int64(len(head)+1<<17), audioonly.Options{})
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after %d bytes: got %v", working, err)
		}
	}
}

// brokenDisk can only be read up to an offset.
type brokenDisk struct {
	io.ReaderAt
	working int64
}

func (d brokenDisk) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > d.working {
		return 0, os.ErrDeadlineExceeded
	}
	return d.ReaderAt.ReadAt(p, off)
}

// The package also runs in web pages.
func TestBuildsForWebAssembly(t *testing.T) {
	t.Parallel()
	testkit.SkipShort(t) // compiles the standard library
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(t.TempDir(), "out"), ".")
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
