package check

import (
	"context"
	"reflect"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// surge returns, by workload, how many pods a rollout to the manifest starts before it
// stops old ones. Only a Deployment that runs with another pod template has old pods.
func (env *Env) surge(ctx context.Context, objects *objects) (map[string]int64, error) {
	extra := map[string]int64{}
	list, err := env.Cluster.Client.AppsV1().Deployments(env.Cluster.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + env.Release})
	if err != nil {
		return nil, env.accessError(err, "list the deployments")
	}
	running := map[string]bool{}
	for _, d := range list.Items {
		running[d.Name] = true
	}
	current := map[string]appsv1.Deployment{}
	if before, err := env.parse(env.Current); err == nil {
		for _, d := range before.deployments {
			current[d.Name] = d
		}
	}
	for _, d := range objects.deployments {
		before, known := current[d.Name]
		if !running[d.Name] || known && reflect.DeepEqual(before.Spec.Template, d.Spec.Template) {
			continue
		}
		extra[d.Name] = maxSurge(d)
	}
	return extra, nil
}

// maxSurge is the number of pods above the desired one during a rollout: 25 % unless the
// Deployment says otherwise, rounded up.
func maxSurge(d appsv1.Deployment) int64 {
	surge := intstr.FromString("25%")
	if u := d.Spec.Strategy.RollingUpdate; u != nil && u.MaxSurge != nil {
		surge = *u.MaxSurge
	}
	if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return 0
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(&surge, int(replicas(d.Spec.Replicas)), true)
	if err != nil {
		return 1
	}
	return int64(n)
}
