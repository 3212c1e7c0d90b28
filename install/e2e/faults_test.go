//go:build e2e

package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the table of faults to docs/operations.md")

// fault is something that goes wrong with an installation.
type fault struct {
	name   string
	inject func(o *operator)
	// command is the sx command that fails because of it; nil means that sx status shows it.
	command []string
	// cause is the part of the first line that names the cause, without what is different
	// in each cluster, as a regular expression.
	cause string
	// before matches what sx status may show at first: the same cause, in other words.
	before string
	// shows is what the output of the printed command has, as a regular expression; ""
	// means that the command repairs the installation.
	shows  string
	during func(o *operator) // checks what must hold meanwhile
	repair func(o *operator) // nil if nothing is left
}

// TestFaults injects one fault after the other into an installation. The first line that
// sx status or the failing command prints must name the cause, and the command that it
// prints must repair the installation or show the cause. Until then, sx status must not
// show any other cause. docs/operations.md has the results; the flag -update writes them.
func TestFaults(t *testing.T) {
	t.Parallel()
	o := newOperator(within(t, 25*time.Minute), t, "e2e-faults")
	secure, issuer := o.secured()
	args := slices.Concat(secure, []string{"--set", "gateway.retention.videos=1m,gateway.retention.failed=1m,gateway.reserve=300MiB"})
	var rows []string
	run := func(faults ...fault) {
		for _, f := range faults {
			t.Run(strings.ReplaceAll(f.name, " ", "-"), func(t *testing.T) {
				here := *o
				here.t = t
				start := time.Now()
				rows = append(rows, here.suffer(f))
				t.Logf("%.0f s", time.Since(start).Seconds())
			})
		}
	}

	run(o.brokenKey(args))
	o.sx(o.install(args...)...)
	o.invitation()
	done, failed := o.retained()
	run(o.refusedInstalls()...)
	run(o.inaccessibleClusters()...)
	run(o.changedByHand(issuer)...)
	run(o.brokerIsFull())
	o.deleted(done, failed)
	run(o.databaseHangs(), o.volumeIsFull())
	o.compareTable(rows)
}

// suffer injects the fault, checks what sx prints, follows its advice and repairs the
// installation. It returns the fault's row of the table.
func (o *operator) suffer(f fault) string {
	o.t.Helper()
	healthy := *o // with the kubeconfig from before
	cause := regexp.MustCompile(f.cause)
	only := cause
	if f.before != "" {
		only = regexp.MustCompile(f.cause + "|" + f.before)
	}
	stop := healthy.onlyCause(only)
	f.inject(o)
	if f.command == nil {
		f.command = o.at("status")
	}
	command := f.command[0]
	var r result
	var first string
	soon, cancel := context.WithTimeout(o.ctx, 3*time.Minute)
	defer cancel()
	for {
		r = o.try(f.command...)
		first = firstLine(command, r)
		if p := reported(r); command == "status" && p != "" && !only.MatchString(p) {
			o.t.Errorf("sx status showed another cause:\n%s", r.all())
		}
		if command != "status" || cause.MatchString(first) || !pause(soon) {
			break
		}
	}
	found := cause.FindString(first)
	if found == "" {
		o.t.Errorf("the first line does not match %q:\n%s", f.cause, r.all())
	}
	if f.during != nil {
		f.during(o)
	}
	next := nextCommand(r)
	outcome := o.follow(next, f, cause)
	stop()
	if f.repair != nil {
		f.repair(&healthy)
	}
	if r, gone := healthy.recovered(cause); !gone {
		o.t.Errorf("after the repair:\n%s", r.all())
	}
	if strings.TrimSpace(first) != found {
		found += " …"
	}
	return fmt.Sprintf("| %s | `sx %s` | `%s` | `%s` | %s |", f.name, command, o.general(found), o.general(next), outcome)
}

// firstLine returns the first line of sx status, or the error of another command, which
// prints the steps before it.
func firstLine(command string, r result) string {
	for line := range strings.Lines(r.stderr) {
		if text, failed := strings.CutPrefix(line, "error: "); failed || command == "status" {
			return strings.TrimPrefix(strings.TrimPrefix(text, "✗ "), "! ")
		}
	}
	return ""
}

var suggested = regexp.MustCompile(`(?:^|: )((?:sx|kubectl) .*)$`)

// nextCommand returns the command at the end of the hint.
func nextCommand(r result) string {
	for line := range strings.Lines(r.stderr) {
		hint, found := strings.CutPrefix(strings.TrimSpace(line), "hint: ")
		if !found {
			continue
		}
		if i := strings.LastIndex(hint, "with: "); i >= 0 {
			hint = hint[i:]
		}
		if match := suggested.FindStringSubmatch(hint); match != nil {
			return match[1]
		}
	}
	return ""
}

// follow runs the command that sx printed and returns what it does.
func (o *operator) follow(next string, f fault, cause *regexp.Regexp) string {
	o.t.Helper()
	if next == "" {
		o.t.Error("no command was printed")
		return "no command"
	}
	cmd := exec.CommandContext(o.ctx, "bash", "-o", "pipefail", "-c", next)
	cmd.Env = append(o.environment(), "PATH="+filepath.Dir(bin)+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		o.t.Fatal(err)
	}
	if f.shows != "" {
		if regexp.MustCompile(f.shows).Match(out) {
			return "shows it"
		}
		o.t.Errorf("%s does not print %q, but:\n%s", next, f.shows, out)
		return "does not help"
	}
	if err == nil {
		r, gone := o.recovered(cause)
		if gone {
			return "repairs it"
		}
		out = append(out, r.all()...)
	}
	o.t.Errorf("%s does not repair the installation: %v\n%s", next, err, out)
	return "does not help"
}

// recovered waits until sx status shows a healthy installation. Some of what it reads, such
// as RabbitMQ's statistics, is some seconds old.
func (o *operator) recovered(cause *regexp.Regexp) (r result, gone bool) {
	o.t.Helper()
	soon, cancel := context.WithTimeout(o.ctx, time.Minute)
	defer cancel()
	for {
		r = o.try(o.at("status", "--wait")...)
		gone = r.code == 0 && !cause.MatchString(r.stderr)
		if gone || !pause(soon) {
			return r, gone
		}
	}
}

// pause waits a second, in which Kubernetes may notice something. It reports whether ctx
// has not ended.
func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Second):
		return true
	}
}

// Names that are different in each run.
var (
	podName  = regexp.MustCompile(`(soundextract-[a-z]+)-[0-9a-z]{6,10}-[0-9a-z]{5}\b`)
	flagsNow = regexp.MustCompile(` (?:-n|--context|--kubeconfig) \S+`)
	revision = regexp.MustCompile(`rollback [0-9]+`)
	nodes    = regexp.MustCompile(`[0-9/]+ (nodes|Insufficient)`)
	restarts = regexp.MustCompile(`, restarted (?:once|[0-9]+ times)`)
)

// general returns a text with placeholders for what is different in each run.
func (o *operator) general(text string) string {
	text = flagsNow.ReplaceAllString(podName.ReplaceAllString(text, "$1-…"), "")
	text = restarts.ReplaceAllString(nodes.ReplaceAllString(text, "N $1"), "")
	text = strings.TrimSuffix(text, " --previous") // depends on the moment
	text = strings.ReplaceAll(revision.ReplaceAllString(text, "rollback N"), o.namespace, "soundextract")
	return strings.ReplaceAll(text, "|", `\|`)
}

const (
	operations  = "../../docs/operations.md"
	tableHeader = "| fault | command | first line | next command | it |\n| --- | --- | --- | --- | --- |\n"
)

// compareTable compares the table with that of the documentation, or replaces it.
func (o *operator) compareTable(rows []string) {
	o.t.Helper()
	raw, err := os.ReadFile(operations)
	if err != nil {
		o.t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(raw), tableHeader)
	if !found {
		o.t.Fatalf("%s has no table of faults", operations)
	}
	var documented []string
	for strings.HasPrefix(rest, "|") {
		row, after, _ := strings.Cut(rest, "\n")
		documented, rest = append(documented, row), after
	}
	if *update {
		text := before + tableHeader + strings.Join(rows, "\n") + "\n" + rest
		if err := os.WriteFile(operations, []byte(text), 0o600); err != nil { // keeps its mode
			o.t.Fatal(err)
		}
		return
	}
	if slices.Equal(rows, documented) {
		return
	}
	known := map[string]bool{}
	for _, row := range documented {
		known[row] = true
	}
	for _, row := range rows {
		if !known[row] {
			o.t.Errorf("docs/operations.md lacks the row, which make e2e E2E=TestFaults E2EFLAGS=-update writes:\n%s", row)
		}
		delete(known, row)
	}
	for row := range maps.Keys(known) {
		o.t.Errorf("docs/operations.md has the row, which the test does not confirm:\n%s", row)
	}
}
