package check_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/soundextract/sx/install/check"
)

// TestBackup compares the age of the last backup with two days, or with the CronJob.
func TestBackup(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	cron := func(started time.Duration, edit func(*batchv1.CronJob)) []runtime.Object {
		c := &batchv1.CronJob{ObjectMeta: in("soundextract-backup")}
		c.Labels = map[string]string{"app.kubernetes.io/instance": "soundextract", "app.kubernetes.io/component": "backup"}
		c.Status.LastScheduleTime = &metav1.Time{Time: time.Now().Add(-started)}
		if edit != nil {
			edit(c)
		}
		return []runtime.Object{c}
	}
	for name, tt := range map[string]struct {
		age     time.Duration // 0 is none
		objects []runtime.Object
		outcome check.Outcome
		says    string // a part of the message, or of the description
	}{
		"none":               {0, nil, check.OutcomeSkipped, "there is no backup yet"},
		"none, failed":       {0, cron(day, nil), check.FoundWarning, "there is no complete backup"},
		"none, running":      {0, cron(time.Hour, func(c *batchv1.CronJob) { c.Status.Active = make([]corev1.ObjectReference, 1) }), check.OutcomeSkipped, "there is no backup yet"},
		"recent":             {day, nil, check.OK, "the last backup is from"},
		"old":                {5 * day, nil, check.FoundWarning, "5 days ago"},
		"weekly":             {5 * day, cron(5*day+time.Hour, nil), check.OK, "the last backup is from"},
		"weekly, failed":     {8 * day, cron(day, nil), check.FoundWarning, "8 days ago"},
		"weekly, running":    {7 * day, cron(time.Hour, func(c *batchv1.CronJob) { c.Status.Active = make([]corev1.ObjectReference, 1) }), check.OK, "another one is being created"},
		"suspended":          {5 * day, cron(6*day, func(c *batchv1.CronJob) { c.Spec.Suspend = new(true) }), check.FoundWarning, "5 days ago"},
		"not yet started":    {5 * day, cron(0, func(c *batchv1.CronJob) { c.Status.LastScheduleTime = nil }), check.FoundWarning, "5 days ago"},
		"of another release": {5 * day, cron(6*day, func(c *batchv1.CronJob) { c.Labels["app.kubernetes.io/instance"] = "other" }), check.FoundWarning, "5 days ago"},
	} {
		at := int64(0)
		if tt.age > 0 {
			at = time.Now().Add(-tt.age).Unix()
		}
		gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, "sx_backup_last_success_timestamp_seconds %d\n", at)
		}))
		t.Cleanup(gateway.Close)
		e, _ := env(t, tt.objects...)
		e.PortForward = func(context.Context, string, int) (string, func(), error) {
			return gateway.Listener.Addr().String(), func() {}, nil
		}
		r := run(t, e, check.Running(), "backup")
		if r.Outcome != tt.outcome || !strings.Contains(r.Message+r.Description, tt.says) {
			t.Errorf("%s: got %+v", name, r)
		}
		next := "create one with: sx backup create --context lab -n music"
		if strings.Contains(name, "failed") {
			next = "see why the CronJob failed with: kubectl --context lab -n music get cronjob,job"
		}
		if r.Outcome == check.FoundWarning && r.Hint != next {
			t.Errorf("%s: the hint is %q", name, r.Hint)
		}
	}
}
