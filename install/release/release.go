// Package release keeps the chart's release in the cluster. It is the only place
// that knows Helm's actions.
package release

import (
	"context"
	"time"

	"helm.sh/helm/v3/pkg/chart"
)

// Status is where a revision stands.
type Status string

// The statuses.
const (
	Deployed   Status = "deployed"
	Failed     Status = "failed"     // Description says why
	Pending    Status = "pending"    // someone is at it, or was when it was ended
	Superseded Status = "superseded" // by a later revision
	Removing   Status = "removing"   // an uninstall is under way, or was when it was ended
)

// Info describes one revision.
type Info struct {
	Revision    int            `json:"revision"`
	Status      Status         `json:"status"`
	Version     string         `json:"version"` // of SoundExtract
	Updated     time.Time      `json:"updated"`
	Description string         `json:"description"`
	Values      map[string]any `json:"-"` // those that differ from the chart's
	Manifest    string         `json:"-"`
}

// Spec is what to install.
type Spec struct {
	Chart  *chart.Chart
	Values map[string]any
	// Reset forgets the values of earlier installs. Else these are kept, under
	// Values, over the chart's own of today.
	Reset bool
}

// Runner works on one release. Errors are an *sx.Error: values that the schema
// refuses are of code invalid, a missing permission forbidden, a cluster that
// does not answer unavailable.
type Runner interface {
	// Last is the newest revision, nil when there is none.
	Last(ctx context.Context) (*Info, error)
	// History lists the revisions, the newest first.
	History(ctx context.Context) ([]Info, error)
	// Render gives the manifest that Apply would put into the cluster, hooks
	// left out. Where there is a release, its values are taken into account.
	Render(ctx context.Context, s Spec) (string, error)
	// Apply installs or upgrades, whichever it is, and returns when the objects
	// are stored, not when they are ready. When ctx ends the revision is failed.
	Apply(ctx context.Context, s Spec) (Info, error)
	// Rollback makes a new revision that is like an earlier one.
	Rollback(ctx context.Context, revision int) (Info, error)
	// Fail records that the newest revision did not become ready, or that
	// whoever was at it is gone.
	Fail(ctx context.Context, why string) error
	// Uninstall removes the release's objects and its history. One that is
	// absent is success.
	Uninstall(ctx context.Context) error
}
