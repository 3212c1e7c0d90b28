//go:build e2e

package e2e

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

const (
	installKills  = 20
	killsPerRound = 5
)

// TestKilledInstalls kills sx install with SIGKILL at 20 random moments. The
// next run continues; after every fifth kill, one run completes. Every other
// round starts without an installation.
func TestKilledInstalls(t *testing.T) {
	o := newOperator(within(t, 20*time.Minute), t, "e2e-kills")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	for kill := range installKills {
		if kill%(2*killsPerRound) == 0 {
			o.sx(o.at("uninstall", "--wipe-data", "--confirm", "soundextract")...)
		}
		o.interrupted(syscall.SIGKILL, time.Duration(random.Int64N(int64(8*time.Second))))
		if kill%killsPerRound == killsPerRound-1 {
			o.sx(o.install()...)
			o.sx(o.at("status", "--wait")...)
		}
	}
	o.interrupted(os.Interrupt, time.Second)
	o.sx(o.install()...)
	o.register("ada")
	o.sx("convert", o.makeVideo("talk.mkv", 5, 440), "-o", filepath.Join(o.home, "talk.mp3"))
	o.sx(o.at("uninstall", "--wipe-data", "--confirm", "soundextract")...)
	o.nothingLeft()
}

// interrupted starts sx install and sends it the signal after the given time.
func (o *operator) interrupted(signal os.Signal, after time.Duration) {
	o.t.Helper()
	cmd := o.command(o.install()...)
	if err := cmd.Start(); err != nil {
		o.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-time.After(after):
		if err := cmd.Process.Signal(signal); err != nil {
			o.t.Logf("sx install had already exited: %v", err)
		}
		<-ended //nolint:errcheck // killed by the test
	case err := <-ended:
		if err != nil {
			o.t.Fatalf("sx install exited by itself: %v", err)
		}
	}
}
