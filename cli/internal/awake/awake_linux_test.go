package awake_test

import (
	"path/filepath"
	"testing"

	"github.com/soundextract/sx/cli/internal/awake"
	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/server/testkit"
)

// TestHold checks that one lock is taken for several files, and is held until the last of
// them is released.
func TestHold(t *testing.T) {
	manager := clitest.NewLoginManager(t)
	var l awake.Lock
	first, second := l.Hold(t.Context()), l.Hold(t.Context())
	lock := manager.Taken(t)
	if lock.What != "idle:sleep" || lock.Who != "sx" || lock.Why == "" || lock.Mode != "block" {
		t.Errorf("the lock is %+v", lock)
	}
	first()
	first() // a second release does nothing
	if lock.Ended() {
		t.Error("it is released while a file is sent")
	}
	second()
	testkit.Eventually(t, "the lock is released", lock.Ended)
	manager.None(t)

	third := l.Hold(t.Context())
	again := manager.Taken(t)
	third()
	testkit.Eventually(t, "the second lock is released", again.Ended)
}

// TestWithoutLogind checks that Hold works on a machine without logind.
func TestWithoutLogind(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	var l awake.Lock
	l.Hold(t.Context())()
	l.Hold(t.Context())()
}
