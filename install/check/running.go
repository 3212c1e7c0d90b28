package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/install/chart"
	"github.com/soundextract/sx/install/watch"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

func workloads(ctx context.Context, env *Env) error {
	rows, problems, err := watch.Status(ctx, env.Cluster, env.Release)
	switch {
	case err != nil:
		return err
	case len(rows) == 0:
		return sx.NewError(sx.CodeNotFound, "no workloads of the release %[2]s found in the namespace %[1]s", env.Cluster.Namespace, env.Release).
			WithHint("install it with: %s", env.Cluster.SX(env.Release, "install"))
	case len(problems) > 0:
		p := problems[0]
		message := p.Error()
		if more := len(problems) - 1; more > 0 {
			message += fmt.Sprintf(" (and %d more)", more)
		}
		return sx.NewError(sx.CodeUnavailable, "%s", message).WithHint("%s", p.Next)
	}
	for _, r := range rows {
		if r.Desired == 0 {
			return sx.NewError(sx.CodeUnavailable, "%s/%s is scaled to zero", r.Kind, r.Name).
				WithHint("%s", env.Cluster.Kubectl("scale", strings.ToLower(r.Kind), r.Name, "--replicas", "1"))
		}
		if r.State != watch.StateReady {
			return sx.NewError(sx.CodeUnavailable, "%s/%s has %d of %d pods ready: %s", r.Kind, r.Name, r.Ready, r.Desired, r.Reason)
		}
	}
	return nil
}

func imagePulls(ctx context.Context, env *Env) error {
	_, problems, err := watch.Status(ctx, env.Cluster, env.Release)
	if err != nil {
		return err
	}
	for _, p := range problems {
		if p.Reason == watch.ReasonImagePull {
			return sx.NewError(sx.CodeUnavailable, "%s", p.Error())
		}
	}
	return nil
}

// versionSkew compares sx with the version label of the release.
func versionSkew(ctx context.Context, env *Env) error {
	if env.Version == "" || env.Version == "dev" {
		return Skip("", "this build of sx has no version")
	}
	list, err := env.Cluster.Client.AppsV1().Deployments(env.Cluster.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + env.Release})
	if err != nil {
		return env.accessError(err, "list the deployments")
	}
	for _, d := range list.Items {
		installed := d.Labels["app.kubernetes.io/version"]
		if installed != "" && installed != label(env.Version) {
			return sx.NewError(sx.CodeConflict, "sx has the version %s, the release %s", env.Version, installed)
		}
	}
	if len(list.Items) == 0 {
		return Skip("", "not installed")
	}
	return nil
}

// label returns a version in the form that the chart writes to a label.
func label(version string) string {
	const longest = 63
	tag := chart.Tag(version)
	return tag[:min(len(tag), longest)]
}

// gatewayPort is the gateway's port in its pod.
const gatewayPort = 8740

// dependencies gets the readiness of a gateway, which pings MongoDB, RabbitMQ
// and auth for it.
func dependencies(ctx context.Context, env *Env) error {
	address, stop, err := env.portForward(ctx, "gateway", gatewayPort)
	var noPod *skipped
	if errors.As(err, &noPod) { // a release has a gateway
		return sx.NewError(sx.CodeUnavailable, "%s", noPod.message)
	}
	if err != nil {
		return err
	}
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+api.PathReady, nil)
	if err != nil {
		return err
	}
	res, err := (&http.Client{}).Do(req)
	if err != nil {
		return fmt.Errorf("the gateway does not respond: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	var health api.Health // even with the status 503
	if err := json.NewDecoder(res.Body).Decode(&health); err != nil {
		return sx.NewError(sx.CodeUnavailable, "the gateway answered %s instead of its readiness", res.Status)
	}
	if health.Status != "ok" {
		return sx.NewError(sx.CodeUnavailable, "the gateway is not ready: %s", health.Status).
			WithHint("see why with: %s", env.Cluster.Kubectl("logs", "-l", "app.kubernetes.io/instance="+env.Release, "--prefix", "--tail", "20"))
	}
	return nil
}

func server(ctx context.Context, env *Env) error {
	if env.Server == "" {
		return Skip("set the public address with --server URL", "the public address of the server is not known")
	}
	c, err := client.New(env.Server, env.http())
	if err != nil {
		return err
	}
	if _, err := c.Health(ctx); err != nil {
		return sx.NewError(sx.CodeUnavailable, "%s: %v", env.Server, err).WithCause(err)
	}
	return nil
}

func (env *Env) http() *http.Client {
	if env.HTTP != nil {
		return env.HTTP
	}
	return http.DefaultClient
}
