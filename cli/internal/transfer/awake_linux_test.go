package transfer_test

import (
	"net/http"
	"testing"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// TestNoSleepWhileSending checks that the machine is kept awake while a file is sent, and no
// longer, also if that fails.
func TestNoSleepWhileSending(t *testing.T) {
	manager := clitest.NewLoginManager(t)
	for _, fails := range []bool{false, true} {
		u := newUpload(t)
		var lock *clitest.InhibitorLock
		u.server.Before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPatch {
				return false
			}
			if lock == nil {
				lock = manager.Taken(t)
			}
			if lock.Ended() {
				t.Error("it is released while the file is sent")
			}
			if fails {
				api.WriteError(w, sx.NewError(sx.CodeNotMedia, "this is no media"))
			}
			return fails
		}
		if _, err := u.upload(t.Context(), t); (err != nil) != fails {
			t.Fatalf("ended with %v", err)
		}
		testkit.Eventually(t, "the lock is released", lock.Ended)
	}
}
