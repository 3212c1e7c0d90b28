package support_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/install/chart"
	"github.com/soundextract/sx/install/support"
)

func products() []support.Product { return []support.Product{support.MongoDB, support.RabbitMQ} }

// TestTable checks the form of the table: the series ascend, each has a release of its own,
// support ends later for later ones, and the chart's own version is the last.
func TestTable(t *testing.T) {
	t.Parallel()
	for _, p := range products() {
		all := support.All(p)
		for i, s := range all {
			if support.SeriesOf(s.Version) != s.Version || support.SeriesOf(s.Release) != s.Version {
				t.Errorf("%s: %+v", p, s)
			}
			if i == 0 {
				continue
			}
			before := all[i-1]
			if support.Compare(before.Version, s.Version) >= 0 {
				t.Errorf("%s: %s is not after %s", p, s.Version, before.Version)
			}
			if before.Ends.IsZero() && !s.Ends.IsZero() || !s.Ends.IsZero() && !s.Ends.After(before.Ends) {
				t.Errorf("%s: support for %s ends before that of %s", p, s.Version, before.Version)
			}
		}
		part, _ := chart.Defaults()[string(p)].(map[string]any)
		image, _ := part["image"].(map[string]any)
		tag, _ := image["tag"].(string)
		if last := all[len(all)-1]; support.SeriesOf(tag) != last.Version || !strings.HasPrefix(tag, last.Release) {
			t.Errorf("%s: the chart's is %s, the last in the table %s", p, tag, last.Release)
		}
	}
}

// TestDocs checks that docs/operations.md has the same table.
func TestDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, p := range products() {
		for _, s := range support.All(p) {
			ends := "not announced"
			if !s.Ends.IsZero() {
				ends = s.Ends.Format(time.DateOnly)
			}
			want = append(want, fmt.Sprintf("| %s %s | %s | %s |", p, s.Version, ends, s.Release))
		}
	}
	got := regexp.MustCompile(`(?m)^\| (?:MongoDB|RabbitMQ) \d+\.\d+ \|.*$`).FindAllString(string(text), -1)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("docs/operations.md has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestSeriesOf(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"8.0.29": "8.0", "4.3.5-management": "4.3", "8.0": "8.0", "4.3-management": "4.3", "3.13.7": "3.13",
		"latest": "", "": "", "8": "", "v8.0.1": "", "8.x": "", "special": "",
	} {
		if got := support.SeriesOf(version); got != want {
			t.Errorf("%q: got %q, want %q", version, got, want)
		}
	}
}

func TestSteps(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		product  support.Product
		from, to string
		want     string
	}{
		{support.MongoDB, "8.0", "8.0", "true"},
		{support.MongoDB, "7.0", "8.0", "8.0.29 true"},
		{support.MongoDB, "5.0", "8.0", "6.0.27 7.0.31 8.0.29 true"},
		{support.MongoDB, "8.0", "7.0", "false"},
		{support.MongoDB, "4.0", "8.0", "false"},
		{support.MongoDB, "8.0", "9.0", "false"},
		{support.MongoDB, "9.0", "9.0", "true"},
		{support.RabbitMQ, "3.13", "4.1", "4.0.9 4.1.8 true"},
	} {
		steps, ok := support.Steps(tt.product, tt.from, tt.to)
		var got []string
		for _, s := range steps {
			got = append(got, s.Release)
		}
		if text := strings.Join(append(got, fmt.Sprint(ok)), " "); text != tt.want {
			t.Errorf("%s from %s to %s: got %s, want %s", tt.product, tt.from, tt.to, text, tt.want)
		}
	}
}

func TestProblem(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		product      support.Product
		version, now string
		want         string
	}{
		{support.MongoDB, "8.0.29", "2026-11-28", ""},
		{support.MongoDB, "7.0.5", "2027-02-27", ""},
		{support.MongoDB, "7.0.5", "2027-03-02", "support for MongoDB 7.0 ends on 2027-08-31"},
		{support.MongoDB, "7.0.5", "2027-08-31", "support for MongoDB 7.0 ends on 2027-08-31"},
		{support.MongoDB, "7.0.5", "2027-09-01", "support for MongoDB 7.0 ended on 2027-08-31"},
		{support.MongoDB, "4.0.3", "2026-11-28", "MongoDB 4.0 is no longer supported: it is older than 4.4, whose support ended on 2024-02-29"},
		{support.MongoDB, "9.0.0", "2030-01-01", ""},
		{support.RabbitMQ, "4.1.8-management", "2026-11-28", "support for RabbitMQ 4.1 ended on 2026-01-30"},
		{support.RabbitMQ, "4.3.5-management", "2026-11-28", ""},
		{support.RabbitMQ, "latest", "2026-11-28", ""},
	} {
		now, err := time.Parse(time.DateOnly, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		if got := support.Problem(tt.product, tt.version, now); got != tt.want {
			t.Errorf("%s %s on %s: got %q, want %q", tt.product, tt.version, tt.now, got, tt.want)
		}
	}
}
