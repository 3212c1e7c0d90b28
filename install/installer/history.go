package installer

import (
	"context"

	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/install/values"
)

// Revision is one revision of a release.
type Revision struct {
	release.Info
	Author string `json:"author,omitempty"` // unknown for one that Helm made
	// Changes are the values that differ from those of the last earlier revision that
	// worked, or from the chart's defaults if there is none.
	Changes []values.Difference `json:"changes"`
	// Secrets reports that the secrets had been rotated or completed since that revision.
	Secrets bool `json:"secretsChanged"`
}

// History lists the revisions, newest first. If there are none, the error is an *sx.Error
// of code not_found.
func (in *Installer) History(ctx context.Context) ([]Revision, error) {
	history, err := in.Runner.History(ctx)
	if err != nil {
		return nil, err
	}
	if len(history) == 0 {
		return nil, in.noRelease(ctx, "only that tool knows its revisions")
	}
	all := make([]Revision, len(history))
	for i, r := range history {
		all[i] = Revision{Info: r, Author: r.Notes[noteAuthor], Changes: []values.Difference{}}
		before := goodBefore(history[i+1:])
		if before == nil && r.Revision > 1 {
			continue // the one before is no longer kept
		}
		var earlier map[string]any
		if before != nil {
			earlier = before.Values
			all[i].Secrets = secretsRevision(earlier) != secretsRevision(r.Values)
		}
		all[i].Changes = append(all[i].Changes, values.Differences(earlier, r.Values)...)
	}
	return all, nil
}

func goodBefore(history []release.Info) *release.Info {
	for _, r := range history {
		if worked(r) {
			return &r
		}
	}
	return nil
}

func secretsRevision(all map[string]any) any {
	return values.Leaves(all)["global.secrets.revision"]
}
