package check

import (
	"context"
	"math"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/server/sx"
)

// oldBackup is the age at which the last backup becomes a warning: two runs of a daily
// CronJob. If the CronJob runs less often, its schedule counts instead.
const oldBackup = 48 * time.Hour

// lastBackup is the metric of the gateways with the time of the last backup.
const lastBackup = "sx_backup_last_success_timestamp_seconds"

// backups reads the time of the last backup.
func backups(ctx context.Context, env *Env) error {
	found, err := env.gauges(ctx, "gateway", lastBackup)
	if err != nil {
		return err
	}
	seconds, known := found[""]
	if !known || math.IsNaN(seconds) {
		return Skip("", "the gateway does not know when the last backup was created")
	}
	at := time.Unix(int64(seconds), 0)
	age := time.Since(at)
	if age <= oldBackup {
		return Pass("the last backup is from " + at.UTC().Format("2006-01-02 15:04") + " UTC")
	}
	scheduled, running, err := env.scheduledBackup(ctx)
	create := env.Cluster.SX(env.Release, "backup", "create")
	problem := func(format string, args ...any) error {
		found := sx.NewError(sx.CodeProblems, format, args...)
		if scheduled.IsZero() {
			return found.WithHint("create one with: %s", create)
		}
		return found.WithHint("see why the CronJob failed with: %s", env.Cluster.Kubectl("get", "cronjob,job"))
	}
	day := at.UTC().Format(time.DateOnly)
	switch {
	case err != nil:
		return err
	case seconds == 0 && (running || scheduled.IsZero()):
		return Skip("", "there is no backup yet; create one with: %s", create)
	case seconds == 0:
		return problem("the CronJob ran on %s, but there is no complete backup", scheduled.UTC().Format(time.DateOnly))
	case !at.Before(scheduled) && !scheduled.IsZero(): // the next one is not due yet
		return Pass("the last backup is from " + day + ", and the next one is not due yet")
	case running:
		return Pass("the last backup is from " + day + "; another one is being created")
	}
	return problem("the last complete backup is from %s, %d days ago", day, int(age.Hours()/24))
}

// scheduledBackup returns when the CronJob for backups started a Job last, and whether one is
// running. The time is zero if there is no CronJob, or one that is suspended or has never
// started a Job.
func (env *Env) scheduledBackup(ctx context.Context) (at time.Time, running bool, err error) {
	list, err := env.Cluster.Client.BatchV1().CronJobs(env.Cluster.Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: "app.kubernetes.io/instance=" + env.Release + ",app.kubernetes.io/component=backup",
	})
	if err != nil {
		return at, false, env.accessError(err, "list the CronJobs")
	}
	for _, c := range list.Items {
		suspended := c.Spec.Suspend != nil && *c.Spec.Suspend
		if started := c.Status.LastScheduleTime; started != nil && !suspended {
			at = started.Time
		}
		running = running || len(c.Status.Active) > 0
	}
	return at, running, nil
}
