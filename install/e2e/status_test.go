//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/install/watch"
)

// statuses runs sx status with the arguments again and again, and passes each result to
// see, until stop is called. Results from before there is a release are left out.
func (o *operator) statuses(see func(result), args ...string) (stop func()) {
	o.t.Helper()
	here := *o
	var cancel context.CancelFunc
	here.ctx, cancel = context.WithCancel(o.ctx)
	var running sync.WaitGroup
	running.Go(func() {
		for installed := false; ; {
			cmd := here.command(here.at(append([]string{"status"}, args...)...)...)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			_ = cmd.Run() // it fails while the installation is not ready
			r := result{stdout: stdout.String(), stderr: stderr.String()}
			installed = installed || !strings.Contains(r.stderr, " not found in the namespace ")
			if here.ctx.Err() != nil {
				return
			}
			if installed {
				see(r)
			}
			if !pause(here.ctx) {
				return
			}
		}
	})
	return func() { cancel(); running.Wait() }
}

// sharedDisk matches a warning that is not about the installation: its volumes may be on a
// disk that the cluster shares with others.
var sharedDisk = regexp.MustCompile(`^! release/\S+: volumes: `)

// summary matches the line that sx status prints first if it has no problem to show.
var summary = regexp.MustCompile(`^soundextract \S+ in namespace `)

// reported returns the first line that sx status printed, without its sign; "" if it shows
// no problem, as while parts are starting.
func reported(r result) string {
	for first := range strings.Lines(r.stderr) {
		first = strings.TrimSpace(first)
		switch {
		case sharedDisk.MatchString(first), first == "":
			continue
		case summary.MatchString(first):
			return ""
		}
		for _, sign := range []string{"✗ ", "! ", "error: "} {
			first = strings.TrimPrefix(first, sign)
		}
		return first
	}
	return "no output"
}

// onlyCause fails the test if sx status shows a problem that cause does not match, until
// stop is called.
func (o *operator) onlyCause(cause *regexp.Regexp) (stop func()) {
	o.t.Helper()
	start, seen := time.Now(), 0
	others := map[string]string{} // the first output with a problem
	end := o.statuses(func(r result) {
		seen++
		if p := reported(r); p != "" && !cause.MatchString(p) && others[p] == "" {
			others[p] = fmt.Sprintf("after %.0f s, sx status showed another cause:\n%s", time.Since(start).Seconds(), r.all())
		}
	})
	return func() {
		o.t.Helper()
		end()
		o.t.Logf("sx status showed %d first lines", seen)
		for _, output := range others {
			o.t.Error(output)
		}
	}
}

// withoutAlarm runs change, such as an install, during which sx status must show parts
// that are starting, but no problem.
func (o *operator) withoutAlarm(change func()) {
	o.t.Helper()
	var mu sync.Mutex
	seen, alarms := 0, map[string]string{}
	see := func(what string, wrong bool, r result) {
		mu.Lock()
		defer mu.Unlock()
		seen++
		if wrong {
			alarms[what] = r.all()
		}
	}
	falseState := regexp.MustCompile(`\b0/0\b|\bfail(ing|ed)\b|\bstopped\b`)
	texts := o.statuses(func(r result) {
		see("sx status", reported(r) != "" || falseState.MatchString(r.stdout), r)
	})
	documents := o.statuses(func(r result) {
		var s installer.Status
		err := json.Unmarshal([]byte(r.stdout), &s)
		wrong := err != nil || slices.ContainsFunc(s.Problems, func(p watch.Problem) bool { return !sharedDisk.MatchString("! " + p.Error()) })
		for _, row := range s.Rows {
			wrong = wrong || row.Desired == 0 || row.State == watch.StateFailing || row.State == watch.StateFailed || row.State == watch.StateStopped
		}
		see("sx status --json", wrong, r)
	}, "--json")
	change()
	texts()
	documents()
	o.t.Logf("sx status was run %d times", seen)
	if seen < 4 {
		o.t.Errorf("sx status was run only %d times", seen)
	}
	for command, output := range alarms {
		o.t.Errorf("%s shows a false alarm:\n%s", command, output)
	}
}
