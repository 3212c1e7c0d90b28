package check

import (
	"context"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/install/support"
	"github.com/soundextract/sx/server/sx"
)

// supported checks, by the images of MongoDB and RabbitMQ, whether their versions are
// still supported.
func supported(ctx context.Context, env *Env) error {
	sets, err := env.Cluster.Client.AppsV1().StatefulSets(env.Cluster.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + env.Release})
	if err != nil {
		return env.accessError(err, "list the StatefulSets")
	}
	var known, unknown, problems []string
	for _, set := range sets.Items {
		product := support.Product(set.Labels["app.kubernetes.io/component"])
		for _, c := range set.Spec.Template.Spec.Containers {
			if c.Name != string(product) || len(support.All(product)) == 0 {
				continue
			}
			tag := support.TagOf(c.Image)
			problem := support.Problem(product, tag, time.Now())
			switch {
			case problem != "":
				problems = append(problems, problem)
			case support.SeriesOf(tag) == "":
				unknown = append(unknown, product.String())
			default:
				known = append(known, product.String()+" "+support.SeriesOf(tag))
			}
		}
	}
	switch {
	case len(problems) > 0:
		return sx.NewError(sx.CodeProblems, "%s", strings.Join(problems, "; "))
	case len(unknown) > 0:
		return Skip("", "the image tags do not show the version of %s", strings.Join(unknown, " and "))
	case len(known) == 0:
		return Skip("", "MongoDB and RabbitMQ are not part of the release")
	}
	return Pass(strings.Join(known, ", "))
}
