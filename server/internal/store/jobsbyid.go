package store

import (
	"context"
	"iter"
	"slices"

	"github.com/soundextract/sx/server/sx"
)

// JobsByID yields those of the jobs that exist, of all owners if owner is "", each once and
// in any order. It holds a page at a time, and ends with the first error: only after all
// others was a job that was not yielded not found.
func JobsByID(ctx context.Context, jobs Jobs, owner string, ids []string) iter.Seq2[sx.Job, error] {
	return func(yield func(sx.Job, error) bool) {
		rest := slices.Compact(slices.Sorted(slices.Values(ids)))
		some := len(rest)
		for len(rest) > 0 {
			some = min(some, len(rest))
			list, next, err := jobs.List(ctx, JobFilter{Owner: owner, IDs: rest[:some]})
			if err != nil {
				yield(sx.Job{}, err)
				return
			}
			found := map[string]bool{}
			for _, j := range list {
				if !yield(j, nil) {
					return
				}
				found[j.ID] = true
			}
			if next == nil {
				rest = rest[some:]
				continue
			}
			rest = slices.DeleteFunc(rest, func(id string) bool { return found[id] })
			// List may read all jobs that it is asked for, so ask for few if they are large.
			some = 2 * len(list)
		}
	}
}
