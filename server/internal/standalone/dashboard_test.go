package standalone_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/api/tus"
	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

const chartFiles = "../../../charts/soundextract/files/"

// query is a query of the dashboard, with the labels that its legend and its grouping need.
type query struct {
	where, expr string
	labels      []string
}

var (
	legendLabel = regexp.MustCompile(`\{\{(\w+)\}\}`)
	grouping    = regexp.MustCompile(`\bby \(([a-z_, ]+)\)`)
	selector    = regexp.MustCompile(`\b((?:sx|go|process)_[a-z_]+)(?:\{([^}]*)\})?`)
	matcher     = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
)

// dashboardQueries reads the queries of the dashboard.
func dashboardQueries(t *testing.T) (all []query) {
	t.Helper()
	raw := must(os.ReadFile(chartFiles + "dashboard.json"))(t)
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal(raw, &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			q := query{where: p.Title, expr: strings.NewReplacer("$namespace", "music", "$__rate_interval", "1m").Replace(target.Expr)}
			for _, m := range legendLabel.FindAllStringSubmatch(target.LegendFormat, -1) {
				q.labels = append(q.labels, m[1])
			}
			all = append(all, q)
		}
	}
	return all
}

// selectorQueries returns a query for each metric that the alert rules read and each label by
// which they select, whatever its value.
func selectorQueries(t *testing.T) (all []query) {
	t.Helper()
	raw := string(must(os.ReadFile(chartFiles + "alerts.yaml"))(t))
	for _, m := range selector.FindAllStringSubmatch(raw, -1) {
		var matchers []string
		for _, label := range matcher.FindAllStringSubmatch(m[2], -1) {
			matchers = append(matchers, label[1]+`!=""`)
		}
		all = append(all, query{where: "alerts.yaml", expr: m[1] + "{" + strings.Join(matchers, ", ") + "}"})
	}
	return all
}

// runPrometheus runs Prometheus, which reads the metrics of the server as those of a pod, and
// returns its URL.
func runPrometheus(t *testing.T, server string) string {
	t.Helper()
	addr, dir := must(testkit.FreeAddr())(t), t.TempDir()
	config := fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: sx
    static_configs: [{targets: [%q], labels: {namespace: music, pod: all}}]
`, strings.TrimPrefix(server, "http://"))
	path := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, "prometheus", "--config.file="+path, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr, "--log.level=warn")
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})
	return "http://" + addr
}

// evaluate returns the labels of each series of the result.
func evaluate(t *testing.T, prometheus, expr string) (series []map[string]string, err error) {
	t.Helper()
	req := must(http.NewRequestWithContext(t.Context(), http.MethodGet, prometheus+"/api/v1/query?query="+url.QueryEscape(expr), http.NoBody))(t)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // it was only read
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct{ Metric map[string]string }
		}
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return nil, fmt.Errorf("%w in %s", err, raw)
	}
	if answer.Status != "success" {
		t.Fatalf("%s: %s", expr, answer.Error)
	}
	for _, r := range answer.Data.Result {
		series = append(series, r.Metric)
	}
	return series, nil
}

// convert uploads a file and waits until its job ends.
func convert(t *testing.T, c *client.Client, path string) api.Job {
	t.Helper()
	f := must(os.Open(path))(t)
	defer f.Close() //nolint:errcheck // it was only read
	size := must(f.Stat())(t).Size()
	uploads := tus.Client{API: c}
	id := must(uploads.Create(t.Context(), size, map[string]string{api.MetaFilename: filepath.Base(path)}, ""))(t)
	must(uploads.Send(t.Context(), id, 0, f, size, nil))(t)
	var j api.Job
	testkit.Eventually(t, "the end of the job", func() bool {
		var err error
		j, err = c.Job(t.Context(), id)
		return err == nil && j.State.Final()
	})
	return j
}

// TestDashboardAndAlerts has Prometheus evaluate each query of the dashboard with the metrics
// of a server that has done some work: each has a result with the labels that its legend
// names. Each metric and each label that the alert rules select by exists as well.
func TestDashboardAndAlerts(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "prometheus")
	cfg := config(t.TempDir(), "127.0.0.1:0")
	cfg.Registration = auth.RegistrationOpen
	server, stop := run(t, cfg)
	t.Cleanup(stop)
	prometheus := runPrometheus(t, server)

	owner, ctx := as(t, server, ownerToken(t, cfg.Data)), t.Context()
	// The delivery fails: nothing listens there.
	must(owner.AddWebhook(ctx, api.NewWebhook{URL: strings.Replace(testkit.NoServer(t), "http://127.0.0.1", "https://localhost", 1) + "/"}))(t)
	videos := testkit.MakeVideos(t, 1)
	done := convert(t, owner, videos[0])
	track := must(owner.Track(ctx, done.ID, 1, 0, ""))(t)
	if _, err := io.Copy(io.Discard, track.Body); err != nil || track.Body.Close() != nil {
		t.Fatal(err)
	}
	silent := filepath.Join(t.TempDir(), "silent.mkv")
	if out, err := exec.CommandContext(ctx, "ffmpeg", "-v", "error", "-i", videos[0], "-an", "-c:v", "copy", silent).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if failed := convert(t, owner, silent); done.State != sx.StateDone || failed.State != sx.StateFailed {
		t.Fatalf("the jobs are %s and %s", done.State, failed.State)
	}
	if _, err := as(t, server, "").Login(ctx, api.Credentials{Name: auth.OwnerName, Password: "wrong password"}); err == nil {
		t.Fatal("signed in with a wrong password")
	}
	must(owner.TestNotify(ctx))(t)
	var instance struct{ Backup string }
	if err := json.Unmarshal(must(os.ReadFile(filepath.Join(cfg.Data, api.InstanceFile)))(t), &instance); err != nil {
		t.Fatal(err)
	}
	must(io.ReadAll(getBackup(t, server, instance.Backup).Body))(t)

	for _, q := range append(dashboardQueries(t), selectorQueries(t)...) {
		var series []map[string]string
		for _, m := range grouping.FindAllStringSubmatch(q.expr, -1) {
			for label := range strings.SplitSeq(m[1], ", ") {
				if label != "le" {
					q.labels = append(q.labels, label)
				}
			}
		}
		testkit.Eventually(t, fmt.Sprintf("a result of %q: %s", q.where, q.expr), func() bool {
			var err error
			series, err = evaluate(t, prometheus, q.expr)
			return err == nil && len(series) > 0
		})
		for _, label := range q.labels {
			if !slices.ContainsFunc(series, func(s map[string]string) bool { return s[label] != "" }) {
				t.Errorf("%q: no result has the label %q: %s", q.where, label, q.expr)
			}
		}
	}
}
