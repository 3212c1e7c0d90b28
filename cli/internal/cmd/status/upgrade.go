package status

import (
	"context"
	"fmt"
	"time"

	"github.com/soundextract/sx/install/nextcmd"
)

// upgradeTimeout bounds the request for the state of an upgrade.
const upgradeTimeout = 5 * time.Second

// printUpgrade prints that an upgrade of the server in use is not final. Only
// administrators get an answer from the server; for others, and if there is none, it
// prints nothing.
func (opts *Options) printUpgrade(ctx context.Context) {
	if opts.JSON || opts.ClusterGiven {
		return
	}
	c, err := opts.Client()
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, upgradeTimeout)
	defer cancel()
	u, err := c.Upgrade(ctx)
	if err != nil || u.Final {
		return
	}
	state := "not final, because the previous release is still running"
	if u.FinalAt != nil {
		state = "not final, so you can still go back; it becomes final on " + u.FinalAt.Local().Format(time.DateTime) +
			", or with: " + nextcmd.Line("sx", "admin", "finish-upgrade")
	}
	_, _ = fmt.Fprintf(opts.IO.ErrOut, "upgrade: %s\n", state)
}
