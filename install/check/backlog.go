package check

import (
	"context"
	"fmt"
	"time"

	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/sx"
)

// longWait is how long a job may wait before it is a warning, as for the alert SXJobsWait.
const longWait = 30 * time.Minute

// backlog reads the metrics of a gateway.
func backlog(ctx context.Context, env *Env) error {
	found, err := env.gauges(ctx, "gateway", "sx_jobs")
	if err != nil {
		return err
	}
	jobs, counted := found[`{state="queued"}`]
	switch {
	case !counted:
		return Skip("", "the gateway has not counted the jobs yet")
	case jobs == 0:
		return Pass("no job waits for a converter")
	}
	oldest := time.Duration(found[`_oldest_seconds{state="queued"}`] * float64(time.Second)).Round(time.Second)
	waiting := fmt.Sprintf("%.0f jobs wait, the oldest for %s", jobs, oldest)
	if jobs == 1 {
		waiting = fmt.Sprintf("1 job waits, for %s", oldest)
	}
	if oldest > longWait {
		return sx.NewError(sx.CodeUnavailable, "%s", waiting).
			WithHint("if all converters are busy, start more with --set converter.replicas=N; see what is running and what waits with: %s", nextcmd.Line("sx", "admin", "queue"))
	}
	return Pass(waiting)
}
