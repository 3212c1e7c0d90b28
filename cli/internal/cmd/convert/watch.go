package convert

import (
	"context"
	"fmt"
	"slices"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/mediafiles"
)

// watch converts files once they are completely written, until ctx ends. A file that
// fails is tried again when it changes.
func (v *converter) watch(ctx context.Context) error {
	if !slices.ContainsFunc(v.Args, mediafiles.IsDir) {
		return cmdutil.UsageErrorf("--watch requires a directory")
	}
	w := v.Select.Watch(v.Args)
	defer w.Close()
	_, _ = fmt.Fprintln(v.IO.ErrOut, "watching for new files; end it with Ctrl-C")
	for {
		found, err := w.Next(ctx)
		if ctx.Err() != nil {
			return nil // Ctrl-C is how this ends
		}
		if err != nil {
			return err
		}
		err = v.batch(ctx, found)
		if err != nil && ctx.Err() == nil && cmdutil.ErrorCode(err).StopsBatch() {
			return err
		}
	}
}
