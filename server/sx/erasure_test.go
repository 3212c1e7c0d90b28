package sx_test

import (
	"slices"
	"testing"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// TestErasureSteps checks that everything is erased once more when nothing can be created
// any longer, and the account after that.
func TestErasureSteps(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e := sx.NewErasure(sx.User{ID: "u", Name: "ada"}, "root", now, now.Add(time.Minute))
	if e.Step != sx.EraseMark || !e.Due.Equal(now.Add(time.Minute)) {
		t.Errorf("begins with %+v", e)
	}
	e.Marked(now, time.Hour)
	var steps []sx.ErasureStep
	for range 5 {
		steps = append(steps, e.Step)
		if e.Last && e.Step == sx.EraseJobs && !e.Due.Equal(now.Add(time.Hour)) {
			t.Errorf("the last round begins at %v", e.Due)
		}
		e.Advance(now)
	}
	want := []sx.ErasureStep{sx.EraseJobs, sx.EraseNotifications, sx.EraseJobs, sx.EraseNotifications, sx.EraseAccount}
	if !slices.Equal(steps, want) {
		t.Errorf("steps %q, want %q", steps, want)
	}
}
