// Package httpserver is what every program around a service needs: one signal
// handler, a group of things that run, an HTTP server that drains, request ids
// in answers and logs, metrics, health.
package httpserver

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
)

// Group is functions that run side by side, each until its ctx ends.
type Group []func(ctx context.Context) error

// Run runs them all and returns when all have returned. The first error cancels
// the others and is returned; one that returns nil ends alone. Once ctx has
// ended, returning its error is as good as returning nil.
func (g Group) Run(ctx context.Context) error {
	group, groupCtx := errgroup.WithContext(ctx)
	for _, run := range g {
		group.Go(func() error {
			err := run(groupCtx)
			if groupCtx.Err() != nil && errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		})
	}
	return group.Wait()
}
