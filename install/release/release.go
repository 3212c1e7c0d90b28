// Package release renders the chart and keeps its release in a cluster. It is the
// only package that imports Helm.
package release

import (
	"context"
	"time"
)

// Status is the state of a revision.
type Status string

// The statuses.
const (
	Deployed   Status = "deployed"
	Failed     Status = "failed"     // Description says why
	Pending    Status = "pending"    // an operation is in progress, or was interrupted
	Superseded Status = "superseded" // by a later revision
	Removing   Status = "removing"   // an uninstall is in progress, or was interrupted
)

// Info describes one revision.
type Info struct {
	Revision    int            `json:"revision"`
	Status      Status         `json:"status"`
	Version     string         `json:"version"` // of SoundExtract
	Updated     time.Time      `json:"updated"`
	Description string         `json:"description"`
	Values      map[string]any `json:"-"` // the values that differ from the chart's defaults
	Manifest    string         `json:"-"`
	// Notes are texts that sx stores with a revision; Helm keeps them and ignores them.
	Notes map[string]string `json:"-"`
}

// Runner works on one release. Its errors are *sx.Errors: of code invalid for
// values that the schema refuses, forbidden for a missing permission,
// unavailable for a cluster that does not respond.
type Runner interface {
	// Last returns the newest revision, or nil if there is none.
	Last(ctx context.Context) (*Info, error)
	// History lists the revisions, newest first.
	History(ctx context.Context) ([]Info, error)
	// DryRun does what Apply does up to the point where it would change the
	// cluster, including the comparison with existing objects.
	DryRun(ctx context.Context, r *Rendered) error
	// Apply installs or upgrades the release and returns when its objects are
	// stored, not when they are ready. It stores exactly the manifest of r or
	// nothing: no values of earlier revisions are added. If ctx ends, the
	// revision is marked as failed.
	Apply(ctx context.Context, r *Rendered) (Info, error)
	// Rollback creates a new revision with the content of an earlier one, and stores
	// notes with it over those of the earlier one.
	Rollback(ctx context.Context, revision int, notes map[string]string) (Info, error)
	// Fail records that the newest revision did not become ready, or that the
	// operation on it was interrupted.
	Fail(ctx context.Context, why string) error
	// Uninstall removes the objects of the release and its history. It succeeds if
	// there is no release.
	Uninstall(ctx context.Context) error
}
