//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// operator is a user who installs into a namespace of their own.
type operator struct {
	t          testing.TB
	ctx        context.Context
	home       string
	namespace  string
	release    string // "" is the default name
	kubeconfig string
}

// newOperator returns an operator whose namespace does not exist yet.
// Everything that the test creates in the cluster is removed at its end.
func newOperator(ctx context.Context, t testing.TB, namespace string) *operator {
	t.Helper()
	o := &operator{
		t: t, ctx: ctx, home: t.TempDir(), namespace: namespace,
		kubeconfig: os.Getenv("KUBECONFIG"),
	}
	o.removeNamespace(ctx)
	t.Cleanup(func() {
		// Stopping three nodes of RabbitMQ together takes two minutes.
		ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
		defer cancel()
		if t.Failed() {
			o.logPods(ctx)
		}
		o.removeNamespace(ctx)
	})
	return o
}

func (o *operator) removeNamespace(ctx context.Context) {
	o.t.Helper()
	now := int64(0)
	namespaces := cluster.Client.CoreV1().Namespaces()
	err := namespaces.Delete(ctx, o.namespace, metav1.DeleteOptions{GracePeriodSeconds: &now})
	if apierrors.IsNotFound(err) {
		return
	}
	if err != nil {
		o.t.Errorf("remove namespace %s: %v", o.namespace, err)
	}
	o.eventually(ctx, "the namespace is deleted", func(ctx context.Context) bool {
		_, err := namespaces.Get(ctx, o.namespace, metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
}

// logPods logs the pods of a failed test, and the last lines of those that are not ready:
// the failure itself comes before it, and should not be far from the end.
func (o *operator) logPods(ctx context.Context) {
	pods, err := cluster.Client.CoreV1().Pods(o.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		o.t.Logf("list pods: %v", err)
		return
	}
	for _, p := range pods.Items {
		o.t.Logf("pod %s is %s, ready: %t", p.Name, p.Status.Phase, ready(p))
		if ready(p) {
			continue
		}
		lines := int64(5)
		log, err := cluster.Client.CoreV1().Pods(o.namespace).GetLogs(p.Name, &corev1.PodLogOptions{TailLines: &lines}).DoRaw(ctx)
		if err == nil {
			o.t.Logf("%s", log)
		}
	}
}

// eventually polls cond until it returns true or ctx ends.
func (o *operator) eventually(ctx context.Context, what string, cond func(ctx context.Context) bool) {
	o.t.Helper()
	err := wait.PollUntilContextCancel(ctx, 250*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		return cond(ctx), nil
	})
	if err != nil {
		o.t.Fatalf("timed out waiting until %s", what)
	}
}

// command returns an sx command with the operator's settings.
func (o *operator) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(o.ctx, bin, args...)
	cmd.Env = o.environment()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	return cmd
}

func (o *operator) environment() []string {
	return append(os.Environ(),
		"HOME="+o.home, "XDG_CONFIG_HOME=", "XDG_STATE_HOME=", "XDG_DATA_HOME=",
		"SX_CONFIG="+filepath.Join(o.home, "config.yaml"), "SX_CREDENTIALS=file",
		"KUBECONFIG="+o.kubeconfig,
	)
}

// result is the result of a run of sx.
type result struct {
	code           int
	stdout, stderr string
	took           time.Duration
}

func (r result) all() string { return r.stdout + r.stderr }

// try runs sx and returns its result, even if it failed.
func (o *operator) try(args ...string) result { return o.runWithInput("", args...) }

func (o *operator) runWithInput(stdin string, args ...string) result {
	o.t.Helper()
	cmd := o.command(args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	r := result{stdout: stdout.String(), stderr: stderr.String(), took: time.Since(start)}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.code = exit.ExitCode()
	case err != nil:
		o.t.Fatalf("sx %s: %v", strings.Join(args, " "), err)
	}
	return r
}

// sx runs sx, which must succeed, and returns its standard output.
func (o *operator) sx(args ...string) string {
	o.t.Helper()
	r := o.try(args...)
	if r.code != 0 {
		o.t.Fatalf("sx %s exited with %d:\n%s", strings.Join(args, " "), r.code, r.all())
	}
	return r.stdout
}

// refused runs sx, which must exit with the code and print all of the words.
func (o *operator) refused(code int, words []string, args ...string) {
	o.t.Helper()
	r := o.try(args...)
	if r.code != code {
		o.t.Fatalf("sx %s exited with %d, want %d:\n%s", strings.Join(args, " "), r.code, code, r.all())
	}
	for _, w := range words {
		if !strings.Contains(r.all(), w) {
			o.t.Fatalf("sx %s did not print %q, but:\n%s", strings.Join(args, " "), w, r.all())
		}
	}
}

// at adds the flags of the namespace and the release.
func (o *operator) at(args ...string) []string {
	args = append(args, "-n", o.namespace)
	if o.release != "" {
		args = append(args, "--release", o.release)
	}
	return args
}

// install returns the arguments of sx install. By default, a test needs only little free
// space, because its volumes may be on a disk that the cluster shares with others.
func (o *operator) install(args ...string) []string {
	args = append([]string{"install", "-n", o.namespace, "--set", "gateway.reserve=" + reserve}, args...)
	return append(args, strings.Fields(os.Getenv(envArgs))...)
}

const reserve = "40MiB"

const password = "correct horse battery\n"

// register creates the administrator's account, with the code in its Secret, and another
// one, with the administrator's invitation.
func (o *operator) register(name string) {
	o.t.Helper()
	code := o.invitation()
	if r := o.runWithInput(code+"\n"+password, "register", name, "--invitation", "--password-stdin"); r.code != 0 {
		o.t.Fatalf("register exited with %d:\n%s", r.code, r.all())
	}
}

// invitation creates the administrator's account and returns the code of an invitation.
func (o *operator) invitation() string {
	o.t.Helper()
	code := strings.TrimSpace(string(o.secretData("soundextract-admin", "code")))
	if r := o.runWithInput(code+"\n"+password, "register", "admin", "--invitation", "--password-stdin"); r.code != 0 {
		o.t.Fatalf("register of the administrator exited with %d:\n%s", r.code, r.all())
	}
	return strings.TrimSpace(o.sx("admin", "invite"))
}
