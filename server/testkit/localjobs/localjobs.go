// Package localjobs stores jobs in the data directory of a local server that does not run, for
// benchmarks with more jobs than it could convert.
package localjobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/sx"
)

// writers is how many jobs are stored at once: the store writes them to disk together.
const writers = 100

// Store stores jobs for the account with the name.
func Store(ctx context.Context, data, account string, jobs []sx.Job) (err error) {
	s, err := localstore.Open(ctx, localstore.Config{Dir: data, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return fmt.Errorf("open the data directory: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	owner, err := s.Users.ByName(ctx, account)
	if err != nil {
		return fmt.Errorf("find the account %s: %w", account, err)
	}
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w; i < len(jobs) && errs[w] == nil; i += writers {
				j := jobs[i]
				j.Owner = owner.ID
				errs[w] = s.Jobs.Create(ctx, j)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
