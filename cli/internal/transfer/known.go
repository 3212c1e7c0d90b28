package transfer

import (
	"context"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Known returns what the server knows about a source that is converted with the options,
// also if its job is gone; the zero Conversion if nothing.
func Known(ctx context.Context, c *client.Client, policy *Policy, identity string, options sx.Options, progress Progress) (known api.Conversion, err error) {
	items := []api.LookupItem{{Identity: identity, Options: api.FromOptions(options)}}
	err = policy.Start(progress).Do(ctx, func(ctx context.Context) error {
		return watched(ctx, stallTimeout, func(ctx context.Context) error {
			found, err := c.Lookup(ctx, items)
			if err == nil && len(found) == len(items) {
				known = found[0]
			}
			return err
		})
	})
	return known, err
}

// Sent reports whether the server has, or will have, the MP3 without another upload.
func Sent(known api.Conversion) bool {
	return known.JobID != "" && known.State != sx.StateUploading
}
