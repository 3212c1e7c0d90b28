//go:build e2e

package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Versions before the chart's: of MongoDB the last one, of RabbitMQ the last two. .ci/run
// loads their images.
const (
	mongodbBefore  = "mongodb.image.tag=7.0.31"
	rabbitmqBefore = "rabbitmq.image.tag=4.2.9-management"
	rabbitmqFirst  = "rabbitmq.image.tag=4.1.8-management"
)

// TestSteps upgrades MongoDB by one step and RabbitMQ by two, and reads from the servers
// that their data can use the new version. To skip a step, or to start a program that is
// older than the data, is refused.
func TestSteps(t *testing.T) {
	t.Parallel()
	o := newOperator(within(t, 8*time.Minute), t, "e2e-steps")
	// At its first start, this RabbitMQ enables only the feature flags that it requires.
	o.sx(o.install("--set", mongodbBefore+","+rabbitmqFirst, "--set-string", "rabbitmq.env[0].name=RABBITMQ_FEATURE_FLAGS,rabbitmq.env[0].value=")...)
	if got := o.featureVersion(); got != "7.0" {
		t.Fatalf("before the upgrade MongoDB's feature compatibility version is %q", got)
	}
	if len(o.disabledFlags()) == 0 {
		t.Fatal("before the upgrade all feature flags of RabbitMQ are enabled")
	}
	o.register("ada")

	pinned := "rabbitmq.image.digest=sha256:" + strings.Repeat("0", 64)
	o.refused(1, []string{"the data of rabbitmq has version 4.1", "which is 2 steps away", "beginning with 4.2.9"}, o.install("--reset-values", "--set", pinned)...)
	o.upgradedSteps()
	o.sx("convert", o.makeVideo("talk.mkv", 5, 440), "-o", filepath.Join(o.home, "talk.mp3"))

	o.refused(1, []string{"the data of mongodb has version 8.0, and MongoDB 7.0 cannot use it"}, o.install("--set", mongodbBefore)...)
	o.refused(1, []string{"the data of rabbitmq has version 4.3, and RabbitMQ 4.2 cannot use it"}, o.install("--set", rabbitmqBefore)...)
	o.refused(1, []string{"cannot use it"}, o.at("rollback", "1")...)
}

// upgradedSteps installs the chart's versions of MongoDB and RabbitMQ.
func (o *operator) upgradedSteps() {
	o.t.Helper()
	diff := o.try(o.at("diff", "--reset-values", "--set", "gateway.reserve="+reserve)...)
	r := o.try(o.install("--reset-values")...)
	if diff.code+r.code != 0 {
		o.t.Fatalf("sx diff and sx install exited with %d and %d:\n%s%s", diff.code, r.code, diff.stderr, r.all())
	}
	o.t.Logf("the upgrade took %.0f s", r.took.Seconds())
	for printed, want := range map[string][]string{
		diff.stderr: {"restarts: soundextract-mongodb: image ", "restarts: soundextract-rabbitmq: env, image "},
		r.stderr:    {"MongoDB is upgraded: 7.0 → 8.0", "RabbitMQ is upgraded: 4.1 → 4.2 → 4.3, in 2 steps"},
	} {
		for _, w := range want {
			if !strings.Contains(printed, w) {
				o.t.Errorf("%q is missing in\n%s", w, printed)
			}
		}
	}
	if got := o.featureVersion(); got != "8.0" {
		o.t.Errorf("after the upgrade MongoDB's feature compatibility version is %q", got)
	}
	if left := o.disabledFlags(); len(left) > 0 {
		o.t.Errorf("after the upgrade RabbitMQ's feature flags %v are disabled", left)
	}
	for part, want := range map[string]string{"mongodb": "8.0", "rabbitmq": "4.3"} {
		claim, err := cluster.Client.CoreV1().PersistentVolumeClaims(o.namespace).Get(o.ctx, "data-soundextract-"+part+"-0", metav1.GetOptions{})
		o.must(err)
		if got := claim.Annotations["soundextract.io/data-version"]; got != want {
			o.t.Errorf("the volume of %s has data of version %q, want %s", part, got, want)
		}
	}
}

// featureVersion reads MongoDB's feature compatibility version, as its root user.
func (o *operator) featureVersion() string {
	o.t.Helper()
	version, err := o.exec("mongodb", "sh", "-c", `cd /run/secrets/mongodb
exec mongosh --quiet -u "$(cat username)" -p "$(cat password)" --eval 'db.adminCommand({getParameter: 1, featureCompatibilityVersion: 1}).featureCompatibilityVersion.version'`)
	o.must(err)
	return version
}

// disabledFlags lists RabbitMQ's feature flags that are not enabled, without experimental
// ones.
func (o *operator) disabledFlags() []string {
	o.t.Helper()
	flags, err := o.exec("rabbitmq", "rabbitmqctl", "-q", "list_feature_flags", "name", "state", "stability")
	o.must(err)
	var all []string
	for line := range strings.Lines(flags) {
		if f := strings.Fields(line); len(f) == 3 && f[1] == "disabled" && f[2] == "stable" {
			all = append(all, f[0])
		}
	}
	return all
}
