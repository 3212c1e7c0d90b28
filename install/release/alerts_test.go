package release_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/soundextract/sx/install/manifest"
	"github.com/soundextract/sx/server/testkit"
)

const alertValues = "global: {metrics: {rules: true}}"

// alertRules returns the rules of the rendered PrometheusRule.
func alertRules(t *testing.T) []byte {
	t.Helper()
	objects, err := manifest.Parse(scenario{values: alertValues, apis: everything}.render(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if o.GetKind() == "PrometheusRule" {
			raw, err := yaml.Marshal(o.Object["spec"])
			if err != nil {
				t.Fatal(err)
			}
			return raw
		}
	}
	t.Fatal("there is no PrometheusRule")
	return nil
}

// TestAlerts runs testdata/alerts/tests.yaml with the rule engine of Prometheus.
func TestAlerts(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "promtool")
	dir := t.TempDir()
	tests, err := os.ReadFile("testdata/alerts/tests.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"rules.yaml": alertRules(t), "tests.yaml": tests} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "promtool", "test", "rules", "tests.yaml")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestAlertsAreDocumented checks that each alert links to a section of
// docs/operations.md, and that its metrics exist.
func TestAlertsAreDocumented(t *testing.T) {
	t.Parallel()
	read := func(path string) string {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	operations, metrics := read("../../docs/operations.md"), read("../../docs/metrics.md")
	rules := string(alertRules(t))
	alerts := regexp.MustCompile(`alert: (SX\w+)`).FindAllStringSubmatch(rules, -1)
	if len(alerts) < 10 {
		t.Errorf("found only %d alerts", len(alerts))
	}
	for _, m := range alerts {
		if !strings.Contains(operations, "\n### "+m[1]+"\n") {
			t.Errorf("docs/operations.md has no section %s", m[1])
		}
		if !strings.Contains(rules, "docs/operations.md#"+strings.ToLower(m[1])+"\n") {
			t.Errorf("%s does not lead to its section", m[1])
		}
	}
	for _, name := range regexp.MustCompile(`sx_[a-z_]+`).FindAllString(rules, -1) {
		if !strings.Contains(metrics, "`"+name+"`") {
			t.Errorf("docs/metrics.md has no metric %s", name)
		}
	}
	for _, m := range regexp.MustCompile(`(kube_[a-z_]+)\{([^}]*)\}`).FindAllStringSubmatch(rules, -1) {
		labels, ok := kubeStateMetrics[m[1]]
		if !ok {
			t.Errorf("the rules read %s, which kubeStateMetrics lacks", m[1])
		}
		for _, l := range regexp.MustCompile(`(\w+)=`).FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(labels, l[1]) {
				t.Errorf("%s has no label %s", m[1], l[1])
			}
		}
	}
}

// kubeStateMetrics are metrics of kube-state-metrics with their labels, all of them stable
// according to https://github.com/kubernetes/kube-state-metrics/tree/main/docs/metrics/workload.
var kubeStateMetrics = map[string][]string{
	"kube_cronjob_created":       {"namespace", "cronjob"},
	"kube_job_failed":            {"namespace", "job_name", "condition"},
	"kube_job_status_start_time": {"namespace", "job_name"},
}
