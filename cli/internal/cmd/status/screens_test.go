package status

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/check"
	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/install/watch"
	"github.com/soundextract/sx/server/sx"
)

// TestScreens compares what an operator sees of an installation in its main states, at
// terminals of 40, 80 and 120 columns, and what a program gets.
func TestScreens(t *testing.T) {
	t.Parallel()
	for name, s := range screens() {
		for _, width := range []int{40, 80, 120} {
			streams, out := term.TestTerminal("", width, 100)
			show(t, streams, s)
			clitest.Golden(t, fmt.Sprintf("%s-%d", name, width), clitest.Screen(t, out.Bytes(), width, 100))
		}
		streams, out, errOut := term.Test("")
		show(t, streams, s)
		clitest.Golden(t, name+"-pipe", fmt.Sprintf("%s--- stderr\n%s", out, errOut))
	}
}

// show prints the status, and the error and its hint as sx does.
func show(t *testing.T, streams *term.IOStreams, s installer.Status) {
	t.Helper()
	opts := &Options{IO: streams, Cluster: cluster.Flags{Namespace: kube.DefaultNamespace, Release: kube.DefaultRelease}}
	if err := opts.print(s); err != nil {
		t.Fatal(err)
	}
	if !s.Ready {
		err := opts.notReady(s)
		_, _ = fmt.Fprintf(streams.ErrOut, "error: %v\nhint: %s\n", err, sx.AsError(err).Hint)
	}
}

// screens are installations in their main states.
func screens() map[string]installer.Status {
	row := func(kind, component string, ready int, state watch.State, reason string) watch.Row {
		return watch.Row{Kind: kind, Name: "soundextract-" + component, Component: component, Ready: ready, Desired: 1, State: state, Reason: reason}
	}
	healthy := func() installer.Status {
		return installer.Status{
			Name: "soundextract", Namespace: "soundextract", Context: "production", Ready: true,
			Release: release.Info{Revision: 4, Status: release.Deployed, Version: "1.2.3", Updated: time.Now().Add(-2*time.Hour - time.Minute)},
			Rows: []watch.Row{
				row("StatefulSet", "mongodb", 1, watch.StateReady, ""), row("StatefulSet", "rabbitmq", 1, watch.StateReady, ""),
				row("Deployment", "auth", 1, watch.StateReady, ""), row("Deployment", "gateway", 1, watch.StateReady, ""),
				row("Deployment", "converter", 1, watch.StateReady, ""), row("Deployment", "notifier", 1, watch.StateReady, ""),
			},
			Volumes: []check.Volume{
				{Component: "mongodb", Size: 20 << 30, Free: 15 << 30, Inodes: 1_310_720, InodesFree: 1_300_000},
				{Component: "rabbitmq", Size: 1 << 30, Free: 1 << 29},
			},
		}
	}
	starting := healthy()
	starting.Ready = false
	starting.Rows[3] = row("Deployment", "gateway", 0, watch.StateStarting, "creating its containers")

	crash := healthy()
	crash.Ready = false
	const message = `WiredTiger error: Unsupported file format (exited with code 62, restarted 4 times; kubectl-edit has edited the StatefulSet since it was installed)`
	crash.Rows[0] = row("StatefulSet", "mongodb", 0, watch.StateFailed, watch.ReasonCrashLoop+": "+message)
	crash.Rows[2] = row("Deployment", "auth", 0, watch.StateWaiting, "waits for soundextract-mongodb")
	crash.Problems = []watch.Problem{
		{
			Object: "StatefulSet/soundextract-mongodb", Pod: "soundextract-mongodb-0", Container: "mongodb", Reason: watch.ReasonCrashLoop, Message: message, Fatal: true,
			Log:  []string{"started", strings.Repeat("a long line ", 12), "WiredTiger error"},
			Next: "sx install --context production",
		},
		{Object: "Deployment/soundextract-auth", Reason: watch.ReasonNotReady, Message: "running but not ready", ConsequenceOf: "StatefulSet/soundextract-mongodb"},
	}
	crash.Volumes = crash.Volumes[1:]

	warned := healthy()
	warned.Problems = []watch.Problem{{
		Object: "release/soundextract", Reason: "dead-letters", Message: "dead-lettered messages: 2 in sx.notify.dead", Warning: true,
		Next: "no job is lost, and the log of the notifier has the reason; delete the messages with: kubectl exec soundextract-rabbitmq-0 -c rabbitmq -- rabbitmqctl purge_queue sx.notify.dead",
	}}

	full := healthy()
	full.Ready = false
	full.Volumes[0].Free = 1 << 30
	full.Problems = []watch.Problem{{
		Object: "release/soundextract", Reason: "disk-space", Message: "new uploads are refused: 1.1 GB of 21 GB is free, and new uploads must leave 3.2 GB", Fatal: true,
		Next: "enlarge the volume with --set mongodb.persistence.size=SIZE, or remove jobs; see who uses the space with: sx admin usage",
	}}
	return map[string]installer.Status{"ready": healthy(), "starting": starting, "crash": crash, "warning": warned, "full": full}
}
