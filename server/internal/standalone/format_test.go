package standalone_test

import (
	"testing"

	"github.com/soundextract/sx/server/internal/standalone"
	"github.com/soundextract/sx/server/internal/store/format"
	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/sx"
)

// TestDataOfALaterRelease checks that the server refuses to start with data that a later
// release has written.
func TestDataOfALaterRelease(t *testing.T) {
	t.Parallel()
	cfg := config(t.TempDir(), "127.0.0.1:0")
	later, err := localstore.Open(t.Context(), localstore.Config{Dir: cfg.Data, Format: format.Format{Number: format.Current().Number + 1}})
	if err != nil {
		t.Fatal(err)
	}
	if err := later.Close(); err != nil {
		t.Fatal(err)
	}
	if err := standalone.Run(t.Context(), cfg); sx.CodeOf(err) != sx.CodeStoredFormat {
		t.Errorf("Run returned %v, want an error of code stored_format", err)
	}
}
