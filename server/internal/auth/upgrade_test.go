package auth_test

import (
	"slices"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/store/format"
	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// TestUpgrade finishes the upgrade of a server whose data the previous release has
// written.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), testkit.NewClock()
	cfg := localstore.Config{Dir: dir, Now: clock.Now}
	before, err := localstore.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Format = format.Format{Number: format.Current().Number + 1}
	st, err := localstore.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	b := startOn(t, st, clock, withRoot)
	root, ada := b.registerRoot(t), b.register(t, "ada")
	for _, change := range []func(string) (api.Upgrade, error){
		func(token string) (api.Upgrade, error) { return b.as(t, token).Upgrade(t.Context()) },
		func(token string) (api.Upgrade, error) { return b.as(t, token).FinishUpgrade(t.Context()) },
	} {
		_, err := change(ada.AccessToken)
		wantCode(t, err, sx.CodeForbidden)
	}
	u, err := b.as(t, root.AccessToken).Upgrade(t.Context())
	if err != nil || u.Final || u.Format != 1 || u.Next != 2 || u.FinalAt == nil || !u.FinalAt.Equal(clock.Now().Add(format.FinalAfter)) {
		t.Errorf("the upgrade is %+v, %v", u, err)
	}
	clock.Advance(time.Second)
	begin := clock.Now()
	for range 2 {
		u, err := b.as(t, root.AccessToken).FinishUpgrade(t.Context())
		if err != nil || !u.Final || u.Format != 2 || u.FinalAt != nil {
			t.Errorf("the upgrade is %+v, %v", u, err)
		}
	}
	want := []string{"root finish_upgrade  ok", "root finish_upgrade  ok"}
	if got := b.audited(t, root, "", begin); !slices.Equal(got, want) {
		t.Errorf("recorded %q, want %q", got, want)
	}
}
