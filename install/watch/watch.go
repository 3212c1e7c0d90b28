// Package watch tells how the workloads of a release are doing and, when one
// does not become ready, what stands in its way: from the cluster's own account
// in pods, claims and events, as it changes.
package watch

import (
	"context"
	"fmt"
	"strings"

	"github.com/soundextract/sx/server/sx"
)

// The labels by which the objects of a release are found.
const (
	labelInstance  = "app.kubernetes.io/instance"
	labelComponent = "app.kubernetes.io/component"
)

// State is how far a workload is.
type State string

// The states.
const (
	StatePending  State = "pending"  // its pods are not there or not on a node yet
	StateStarting State = "starting" // its pods are on nodes and not all of them are ready
	StateReady    State = "ready"    // all that is wanted is ready, and nothing older is left
	StateFailing  State = "failing"  // something is wrong that may heal by itself
	StateFailed   State = "failed"   // something is wrong that cannot heal
)

// Row is one workload of the release.
type Row struct {
	Kind      string `json:"kind"` // Deployment or StatefulSet
	Name      string `json:"name"`
	Component string `json:"component"` // such as gateway
	Ready     int    `json:"ready"`     // pods of the newest rollout that are ready
	Desired   int    `json:"desired"`
	State     State  `json:"state"`
	Reason    string `json:"reason,omitempty"` // one line: what it waits for
}

// The reasons of problems that are not the cluster's own words.
const (
	ReasonImagePull      = "ImageCannotBePulled"
	ReasonCrashLoop      = "CrashLoop"
	ReasonOutOfMemory    = "OOMKilled"
	ReasonConfig         = "CreateContainerConfigError"
	ReasonMount          = "FailedMount"
	ReasonClaim          = "ClaimNotBound"
	ReasonUnschedulable  = "Unschedulable"
	ReasonQuota          = "QuotaExceeded"
	ReasonRefused        = "CreationRefused"
	ReasonEvicted        = "Evicted"
	ReasonNotReady       = "NotReady"
	ReasonNodeNotReady   = "NodeNotReady"
	ReasonOldPodBlocks   = "OldPodBlocksRollout"
	ReasonSandbox        = "PodSandboxFailed"
	ReasonNothingStarted = "NothingStarted"
)

// Problem is one thing that keeps a workload from being ready.
type Problem struct {
	Object    string   `json:"object"` // such as Deployment/soundextract-gateway
	Pod       string   `json:"pod,omitempty"`
	Container string   `json:"container,omitempty"`
	Reason    string   `json:"reason"`
	Message   string   `json:"message"`       // one line
	Log       []string `json:"log,omitempty"` // the container's last lines, 20 at most
	Next      string   `json:"next"`          // a command to type
	Fatal     bool     `json:"fatal"`         // it cannot heal by itself

	previous bool // the log is that of the container's last run
	timedOut bool
}

// Error says all but the log and the next command, in one line.
func (p *Problem) Error() string {
	var b strings.Builder
	if p.timedOut {
		b.WriteString("timed out: ")
	}
	b.WriteString(p.Object)
	if p.Pod != "" {
		b.WriteString(", pod " + p.Pod)
	}
	if p.Container != "" {
		b.WriteString(", container " + p.Container)
	}
	fmt.Fprintf(&b, ": %s: %s", p.Reason, p.Message)
	return b.String()
}

// Unwrap gives the kind of error and the hint: timed_out, which wraps
// context.DeadlineExceeded, if the time is up, and not_ready if the workload
// cannot become ready by itself.
func (p *Problem) Unwrap() error {
	if p.timedOut {
		return sx.NewError(sx.CodeTimedOut, "timed out").WithHint("%s", p.Next).WithCause(context.DeadlineExceeded)
	}
	return sx.NewError(sx.CodeNotReady, "not ready").WithHint("%s", p.Next)
}
