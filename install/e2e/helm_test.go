//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/install/chart"
	"github.com/soundextract/sx/server/sx"
)

const chartDir = "../../charts/soundextract"

// program runs another program than sx, which must succeed, and returns its standard output.
func (o *operator) program(stdin, name string, args ...string) string {
	o.t.Helper()
	cmd := exec.CommandContext(o.ctx, name, args...)
	cmd.Env = o.environment()
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		o.t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// helm runs the helm of an environment variable.
func (o *operator) helm(variable string, args ...string) string {
	o.t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		o.t.Fatalf("%s is not set: run the tests with make e2e", variable)
	}
	return o.program("", path, o.at(args...)...)
}

// chartValues are the values with which Helm installs the chart of a checkout.
func (o *operator) chartValues() []string {
	o.t.Helper()
	tag := chart.Tag(o.version())
	args := []string{"-f", "../../charts/presets/quickstart.yaml", "--set", "gateway.reserve=" + reserve}
	for _, service := range sx.Services() {
		args = append(args, "--set", service+".image.tag="+tag)
	}
	return args
}

// helmInstall installs the chart, as docs/install.md describes it.
func (o *operator) helmInstall(variable string, args ...string) {
	o.t.Helper()
	args = slices.Concat([]string{"upgrade", "--install", "soundextract", chartDir, "--create-namespace", "--wait", "--timeout", "5m"}, o.chartValues(), args)
	o.helm(variable, args...)
}

func (o *operator) version() string {
	o.t.Helper()
	return decode[struct {
		Version string `json:"version"`
	}](o, o.sx("version", "--json")).Version
}

// helmTest runs the chart's test, which converts a clip.
func (o *operator) helmTest(variable string) {
	o.t.Helper()
	if out := o.helm(variable, "test", "soundextract", "--timeout", "3m"); !strings.Contains(out, "Succeeded") {
		o.t.Errorf("helm test printed\n%s", out)
	}
}

// use makes the operator's sx use an installation that sx did not install, as
// docs/install.md describes it.
func (o *operator) use() {
	o.t.Helper()
	text := fmt.Sprintf("context: here\ncontexts:\n  here:\n    kubernetes: {context: %q, namespace: %s, release: soundextract}\n", cluster.Context, o.namespace)
	o.must(os.WriteFile(filepath.Join(o.home, "config.yaml"), []byte(text), 0o600))
}

// TestPlainHelm installs the chart with the command line of one version of Helm. The other
// one takes the release over, then sx, and then the first again.
func TestPlainHelm(t *testing.T) {
	t.Parallel()
	for name, versions := range map[string][2]string{"3-to-4": {envHelm3, envHelm4}, "4-to-3": {envHelm4, envHelm3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := versions[0], versions[1]
			o := newOperator(within(t, 10*time.Minute), t, "e2e-helm-"+name)
			o.helmInstall(first)
			o.helmTest(first)
			o.use()
			o.register("ada")
			o.sx("convert", o.makeVideo("talk.mkv", 5, 440), "-o", filepath.Join(o.home, "talk.mp3"))
			id := o.jobs()[0].ID
			want, password, stateful := o.download(id), o.secretData("soundextract-mongodb", "password"), o.statefulPods()
			for _, upgrade := range []struct {
				by       string
				replicas int32
				run      func()
			}{
				{"the other Helm", 2, func() {
					o.helm(second, "upgrade", "soundextract", chartDir, "--reuse-values", "--set", "gateway.replicas=2", "--wait", "--timeout", "3m")
				}},
				{"sx", 2, func() { o.sx(o.install("--set", "auth.logLevel=debug")...) }},
				{"the first Helm", 1, func() {
					o.helm(first, "upgrade", "soundextract", chartDir, "--reuse-values", "--set", "gateway.replicas=1", "--wait", "--timeout", "3m")
				}},
			} {
				upgrade.run()
				o.replicas("soundextract-gateway", upgrade.replicas)
				if got := o.download(id); got != want {
					t.Errorf("after the upgrade by %s the MP3 has the digest %s, want %s", upgrade.by, got, want)
				}
				if now := o.secretData("soundextract-mongodb", "password"); !bytes.Equal(now, password) {
					t.Errorf("the upgrade by %s has changed MongoDB's password", upgrade.by)
				}
				if now := o.statefulPods(); !maps.Equal(now, stateful) {
					t.Errorf("the upgrade by %s has restarted MongoDB or RabbitMQ: %v, before %v", upgrade.by, now, stateful)
				}
			}
			if set := o.sx(o.at("values")...); !strings.Contains(set, "gateway.reserve\t"+reserve) || !strings.Contains(set, "auth.logLevel\tdebug") {
				t.Errorf("sx values printed\n%s", set)
			}
			o.sx(o.install()...)
			o.unchanged()
			o.sx(o.at("uninstall", "--wipe-data", "--confirm", "soundextract")...)
		})
	}
}
