package standalone_test

import (
	"bufio"
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/standalone"
	"github.com/soundextract/sx/server/testkit"
)

// metric is a row of docs/metrics.md, or what a program exports.
type metric struct{ kind, labels string }

var metricRow = regexp.MustCompile("^\\| `(sx_[a-z_]+)` \\| ([a-z]+) \\|([^|]*)\\|")

// documented reads docs/metrics.md.
func documented(t *testing.T) map[string]metric {
	t.Helper()
	f, err := os.Open("../../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	rows := map[string]metric{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if m := metricRow.FindStringSubmatch(lines.Text()); m != nil {
			labels := strings.NewReplacer("`", "", " ", "").Replace(m[3])
			rows[m[1]] = metric{m[2], labels}
		}
	}
	return rows
}

var descPattern = regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)

// TestMetricsAreDocumented compares docs/metrics.md with what the four services export.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	registry := httpserver.NewRegistry()
	cfg := config(t.TempDir(), "127.0.0.1:0")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- standalone.Serve(ctx, cfg, registry) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	testkit.Eventually(t, "the metrics of the converter, which starts last", func() bool {
		families, err := registry.Gather()
		for _, f := range families {
			if f.GetName() == "sx_converter_running" {
				return err == nil
			}
		}
		return false
	})

	rows, exported := documented(t), map[string]string{}
	descs := make(chan *prometheus.Desc)
	go func() {
		registry.Describe(descs)
		close(descs)
	}()
	for d := range descs {
		if m := descPattern.FindStringSubmatch(d.String()); m != nil && strings.HasPrefix(m[1], "sx_") {
			exported[m[1]] = m[2]
		}
	}
	for name, labels := range exported {
		row, ok := rows[name]
		switch {
		case !ok:
			t.Errorf("docs/metrics.md lacks %s", name)
		case !slices.Equal(sortedLabels(row.labels), sortedLabels(labels)):
			t.Errorf("docs/metrics.md says that %s has the labels %q, not %q", name, row.labels, labels)
		}
	}
	for name := range rows {
		if _, ok := exported[name]; !ok {
			t.Errorf("docs/metrics.md has %s, which is not exported", name)
		}
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		row, ok := rows[f.GetName()]
		if kind := strings.ToLower(f.GetType().String()); ok && row.kind != kind {
			t.Errorf("docs/metrics.md says that %s is a %s, not a %s", f.GetName(), row.kind, kind)
		}
	}
}

func sortedLabels(list string) []string {
	labels := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	slices.Sort(labels)
	return labels
}
