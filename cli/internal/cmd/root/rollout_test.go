package root_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/install/watch"
)

func workloadEvent(name string, ready int, state watch.State, reason string) installer.Event {
	return installer.Event{State: installer.Changed, Row: &watch.Row{
		Kind: "Deployment", Name: name, Ready: ready, Desired: 2, State: state, Reason: reason,
	}}
}

// failedInstall returns the events of a failed install.
func failedInstall() []installer.Event {
	return []installer.Event{
		{Step: "check the cluster", State: installer.Started},
		{Step: "check the cluster", State: installer.Done, Detail: "9 checks"},
		{State: installer.Warning, Detail: "the cluster is old"},
		{Step: "wait", State: installer.Started},
		workloadEvent("soundextract-gateway", 0, watch.StateStarting, "pulling image"),
		workloadEvent("soundextract-gateway", 0, watch.StateStarting, "pulling image"), // no change
		workloadEvent("soundextract-auth", 2, watch.StateReady, "as it should be"),
		workloadEvent("soundextract-gateway", 1, watch.StateFailing, "FailedMount: volume a"),
		workloadEvent("soundextract-gateway", 1, watch.StateFailing, "FailedMount: volume b"),      // no news
		workloadEvent("soundextract-gateway", 2, watch.StateStarting, "waiting until it is ready"), // about to be ready
		workloadEvent("soundextract-gateway", 1, watch.StateFailed, "CrashLoop: exit code 1"),
		{Step: "wait", State: installer.Failed, Log: []string{"level=ERROR", "bye"}},
	}
}

func TestRolloutPlain(t *testing.T) {
	t.Parallel()
	streams, out, errOut := term.Test("")
	d := cluster.NewRolloutDisplay(streams, false)
	for _, e := range failedInstall() {
		d.Show(e)
	}
	d.Close()
	want := `✓ check the cluster: 9 checks
! the cluster is old
soundextract-gateway: 0/2 starting: pulling image
soundextract-auth: 2/2 ready
soundextract-gateway: 1/2 failing: FailedMount: volume a
soundextract-gateway: 1/2 failed: CrashLoop: exit code 1
✗ wait
    | level=ERROR
    | bye
`
	if errOut.String() != want || out.Len() > 0 {
		t.Errorf("got\n%s%s", errOut, out)
	}
}

func TestRolloutJSON(t *testing.T) {
	t.Parallel()
	streams, out, errOut := term.Test("")
	streams.ErrTTY = true // JSON is never painted
	d := cluster.NewRolloutDisplay(streams, true)
	for _, e := range failedInstall() {
		d.Show(e)
	}
	d.Close()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(failedInstall()) || errOut.Len() > 0 {
		t.Fatalf("got %d lines and %q", len(lines), errOut)
	}
	var e installer.Event
	if err := json.Unmarshal([]byte(lines[10]), &e); err != nil || e.State != "row" || e.Row.Ready != 1 {
		t.Errorf("got %+v, %v", e, err)
	}
}

// TestRolloutLive checks that finished steps stay as lines above the rows of the workloads.
func TestRolloutLive(t *testing.T) {
	t.Parallel()
	streams, _, errOut := term.Test("")
	streams.ErrTTY = true
	d := cluster.NewRolloutDisplay(streams, false)
	for _, e := range failedInstall() {
		d.Show(e)
	}
	d.Close()
	text := errOut.String()
	for _, want := range []string{"✓ check the cluster: 9 checks\n", "! the cluster is old\n", "· wait (", "✗ wait\n    | level=ERROR\n    | bye\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %q", want, text)
		}
	}
	last := text[strings.LastIndex(text, "bye\n")+len("bye\n"):]
	last = strings.NewReplacer("\x1b[K", "", "\x1b[J", "", "\r\n", "\n", "\r", "").Replace(last)
	want := "  soundextract-gateway  1/2  failed  CrashLoop: exit code 1\n  soundextract-auth     2/2  ready\n"
	if !strings.HasSuffix(last, want) {
		t.Errorf("in the end it shows %q, want %q", last, want)
	}
}

// TestRolloutLiveFits checks that neither many workloads nor long reasons wrap a line of the
// block, which would then be repainted at the wrong position.
func TestRolloutLiveFits(t *testing.T) {
	t.Parallel()
	streams, _, errOut := term.Test("")
	streams.ErrTTY = true
	d := cluster.NewRolloutDisplay(streams, false)
	const workloads = 40
	for i := range workloads {
		state := watch.StateReady
		if i < 3 {
			state = watch.StatePending
		}
		d.Show(workloadEvent(fmt.Sprintf("a-release-with-a-very-long-name-%02d", i), 0, state, strings.Repeat("reason ", 30)))
	}
	d.Close()
	text := errOut.String()
	last := text[strings.LastIndex(text, "\x1b[J"):]
	if i := strings.LastIndex(last, "A"); i >= 0 {
		last = last[i+1:]
	}
	lines := strings.Split(strings.ReplaceAll(last, "\x1b[K", ""), "\r\n")
	for _, line := range lines {
		if n := utf8.RuneCountInString(line); n > 77 {
			t.Errorf("%d columns: %q", n, line)
		}
	}
	if !strings.Contains(last, fmt.Sprintf("%d of %d ready", workloads-3, workloads)) || len(lines) > 24 {
		t.Errorf("%d lines: %q", len(lines), last)
	}
}
