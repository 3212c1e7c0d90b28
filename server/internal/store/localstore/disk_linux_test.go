package localstore_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/sx"
)

// TestBadDisk replaces the file of an upload by a device.
func TestBadDisk(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, device string
		code         sx.Code
	}{
		{"the disk is full", "/dev/full", sx.CodeStorageFull},
		{"bytes that cannot be synced are not stored", "/dev/null", sx.CodeInternal},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, dir := t.Context(), t.TempDir()
			s := open(t, dir)
			defer func() { _ = s.Close() }()
			if err := s.Videos.Create(ctx, "v1", "a.mp4", 3); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "videos", "v1", "v1")
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(c.device, file); err != nil {
				t.Fatal(err)
			}
			n, err := s.Videos.Append(ctx, "v1", 0, strings.NewReader("abc"))
			if n != 0 || sx.CodeOf(err) != c.code {
				t.Errorf("Append stored %d bytes and returned %v, want code %s", n, err, c.code)
			}
			if up, err := s.Videos.Stat(ctx, "v1"); err != nil || up.Offset != 0 {
				t.Errorf("the upload is %+v, %v, want offset 0", up, err)
			}
		})
	}
}
