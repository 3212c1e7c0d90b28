package nextcmd_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/soundextract/sx/install/nextcmd"
)

// TestLineArrivesUnchanged has a shell parse the line.
func TestLineArrivesUnchanged(t *testing.T) {
	t.Parallel()
	args := []string{"plain", "", "a b", "it's", `"$HOME"`, "$(id)", "`id`", "a;b", "*", "~", "a\nb", "-n", "ü", `back\slash`, "arn:aws:eks:eu/x"}
	line := nextcmd.Line(append([]string{"printf", `%s\0`}, args...)...)
	out, err := exec.Command("sh", "-c", line).Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if got, want := string(out), strings.Join(args, "\x00")+"\x00"; got != want {
		t.Errorf("%s\nresulted in %q, want %q", line, got, want)
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	var none nextcmd.Flags
	if got := none.Keep("-n", "soundextract", "soundextract").SX("status", "--wait"); got != "sx status --wait" {
		t.Errorf("got %s", got)
	}
	kept := none.Keep("--context", "my cluster", "").Keep("-n", "x", "soundextract")
	if got, want := kept.SX("status"), "sx status --context 'my cluster' -n x"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
