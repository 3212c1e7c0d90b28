// Package watch reports the state of a release's workloads and, if one does not become
// ready, diagnoses why from its pods, claims and events.
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

// State is the state of a workload.
type State string

// The states.
const (
	StatePending  State = "pending"  // its pods do not exist yet or are not scheduled
	StateStarting State = "starting" // its pods are scheduled, but not all of them are ready
	StateReady    State = "ready"    // all pods are ready, and none of an older rollout is left
	StateStopped  State = "stopped"  // it is scaled to 0 and does no work
	StateWaiting  State = "waiting"  // its pods run, but wait for another workload, which has a problem
	StateFailing  State = "failing"  // it has a problem that may resolve itself
	StateFailed   State = "failed"   // it has a problem that does not resolve itself
)

// Row is one workload of the release.
type Row struct {
	Kind      string `json:"kind"` // Deployment or StatefulSet
	Name      string `json:"name"`
	Component string `json:"component"` // such as gateway
	Ready     int    `json:"ready"`     // pods of the newest rollout that are ready
	Desired   int    `json:"desired"`
	State     State  `json:"state"`
	Reason    string `json:"reason,omitempty"` // one line: what the workload waits for
	// Because is the name of the workload that it waits for, if that is all that is wrong.
	Because string `json:"because,omitempty"`
}

// The reasons of problems that are not the reasons of Kubernetes.
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
	ReasonStopped        = "ScaledToZero"
	ReasonUnresponsive   = "Unresponsive"
	ReasonVolumeFull     = "VolumeFull"
)

// Problem is a reason why a workload is not ready.
type Problem struct {
	Object    string   `json:"object"` // such as Deployment/soundextract-gateway
	Pod       string   `json:"pod,omitempty"`
	Container string   `json:"container,omitempty"`
	Reason    string   `json:"reason"`
	Message   string   `json:"message"`           // one line
	Log       []string `json:"log,omitempty"`     // the container's last lines, 20 at most
	Next      string   `json:"next"`              // a suggested command
	Fatal     bool     `json:"fatal"`             // it does not resolve itself
	Warning   bool     `json:"warning,omitempty"` // everything works for now
	// ConsequenceOf is the object whose problem is the cause of this one, if it is known.
	ConsequenceOf string `json:"consequence_of,omitempty"`

	component string // of an object that is not part of the release
	previous  bool   // the log of the container's previous run is the relevant one
	timedOut  bool
}

// Error describes the problem in one line, without the log and the next command.
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

// Unwrap returns an *sx.Error with the code and the hint: timed_out, which
// wraps context.DeadlineExceeded, if the time is up, and not_ready if the
// workload cannot become ready by itself.
func (p *Problem) Unwrap() error {
	if p.timedOut {
		return sx.NewError(sx.CodeTimedOut, "timed out").WithHint("%s", p.Next).WithCause(context.DeadlineExceeded)
	}
	return sx.NewError(sx.CodeNotReady, "not ready").WithHint("%s", p.Next)
}
