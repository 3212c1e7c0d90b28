package mediafiles

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// TestPolling checks that a file is found without any event: drives that others write to
// over the network report none.
func TestPolling(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &Watcher{args: []string{dir}, state: map[string]seen{}, failed: map[string]string{}}
		time.AfterFunc(poll/2, func() { // by another machine, after the first look
			if err := os.WriteFile(filepath.Join(dir, "talk.mp4"), []byte("x"), 0o600); err != nil {
				t.Error(err)
			}
		})
		began := time.Now()
		found, err := w.Next(t.Context())
		if err != nil || len(found.Files) != 1 || found.Files[0].Name != "talk.mp4" {
			t.Fatalf("found %+v, %v", found, err)
		}
		// It is seen by the second look, and is complete once it has not changed until a third.
		if took, want := time.Since(began), poll+settle; took != want {
			t.Errorf("it was found after %s, want %s", took, want)
		}
	})
}
