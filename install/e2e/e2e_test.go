//go:build e2e

// Package e2e tests SoundExtract's installer on a real cluster: the one that
// KUBECONFIG names, which must have the images of this version (make images).
// Each test uses its own namespaces, which it removes. Tests that mostly wait run beside
// each other, after all others.
package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/server/testkit/chromium"
)

// The environment variables that configure a run.
const (
	envBin     = "SX_BIN"         // the directory of the tested sx
	envArgs    = "SX_E2E_INSTALL" // additional arguments of every sx install, such as --image-registry
	envHelm3   = "SX_HELM3"       // the command line of Helm 3
	envHelm4   = "SX_HELM4"       // and of Helm 4
	envIngress = "SX_E2E_INGRESS" // host:port on this machine of the default Ingress controller; TestPage needs it
)

var (
	bin     string
	cluster *kube.Cluster
)

func TestMain(m *testing.M) {
	if err := prepare(); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err) //nolint:forbidigo // no test is running that could report the error
		os.Exit(1)                                 //nolint:forbidigo // TestMain is a main function
	}
	m.Run()
	chromium.Stop()
}

func prepare() error {
	for _, name := range []string{envBin, "KUBECONFIG"} {
		if os.Getenv(name) == "" {
			return fmt.Errorf("%s is not set: run the tests with make e2e, with KUBECONFIG set to a test cluster", name)
		}
	}
	bin = filepath.Join(os.Getenv(envBin), "sx")
	if _, err := os.Stat(bin); err != nil {
		return err
	}
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		return err
	}
	var err error
	if cluster, err = kube.Connect(kube.Target{}); err != nil {
		return err
	}
	version, err := cluster.Client.Discovery().ServerVersion()
	if err != nil {
		return err
	}
	fmt.Printf("cluster: %s, Kubernetes %s\n", cluster.Context, version.GitVersion) //nolint:forbidigo // part of the output of the run
	return nil
}

// within returns a context that ends after d.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
