package localstore_test

import (
	"testing"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/internal/store/storetest"
)

// TestConformance is not parallel because the suite measures memory.
func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) func() store.Store {
		dir := t.TempDir()
		return func() store.Store { return open(t, dir) }
	})
}

func open(t testing.TB, dir string) store.Store {
	t.Helper()
	s, err := localstore.Open(t.Context(), localstore.Config{Dir: dir})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s
}
