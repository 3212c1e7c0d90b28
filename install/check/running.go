package check

import (
	"context"
	"fmt"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/install/chart"
	"github.com/soundextract/sx/install/watch"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

func workloads(ctx context.Context, env *Env) error {
	rows, problems, err := watch.Status(ctx, env.Cluster, env.Release, nil)
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
		if r.State != watch.StateReady {
			return sx.NewError(sx.CodeUnavailable, "%s/%s has %d of %d pods ready: %s", r.Kind, r.Name, r.Ready, r.Desired, r.Reason)
		}
	}
	return nil
}

func imagePulls(ctx context.Context, env *Env) error {
	_, problems, err := watch.Status(ctx, env.Cluster, env.Release, nil)
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
			return sx.NewError(sx.CodeConflict, "sx has version %s, but the release has version %s", env.Version, installed)
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
