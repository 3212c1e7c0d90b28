package installer_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authorization "k8s.io/api/authorization/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/version"
	fakediscovery "k8s.io/client-go/discovery/fake"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/server/sx"
)

const (
	namespace = "music"
	name      = "soundextract"
)

// runner is a release.Runner that keeps its revisions in memory.
type runner struct {
	t         *testing.T
	client    *fake.Clientset
	revisions []release.Info // the newest last
	applied   []*release.Rendered
	calls     []string
	workload  *appsv1.Deployment // the objects that Apply creates; nil means none
	err       error              // of Apply
}

func (r *runner) Last(context.Context) (*release.Info, error) {
	if len(r.revisions) == 0 {
		return nil, nil //nolint:nilnil // no release is no error
	}
	last := r.revisions[len(r.revisions)-1]
	return &last, nil
}

func (r *runner) History(context.Context) ([]release.Info, error) {
	all := slices.Clone(r.revisions)
	slices.Reverse(all)
	return all, nil
}

func (r *runner) DryRun(context.Context, *release.Rendered) error { return nil }

func (r *runner) Apply(ctx context.Context, rendered *release.Rendered) (release.Info, error) {
	r.calls = append(r.calls, "apply")
	if r.err != nil {
		return release.Info{}, r.err
	}
	r.applied = append(r.applied, rendered)
	if n := len(r.revisions); n > 0 {
		r.revisions[n-1].Status = release.Superseded
	}
	info := release.Info{Revision: len(r.revisions) + 1, Status: release.Deployed, Version: "1.2.3", Updated: time.Now(), Values: rendered.Values, Manifest: rendered.Manifest}
	r.revisions = append(r.revisions, info)
	if r.workload != nil {
		deployments := r.client.AppsV1().Deployments(namespace)
		if _, err := deployments.Create(ctx, r.workload, metav1.CreateOptions{}); err != nil {
			_, err = deployments.Update(ctx, r.workload, metav1.UpdateOptions{})
			return info, err
		}
	}
	return info, nil
}

func (r *runner) Rollback(_ context.Context, revision int) (release.Info, error) {
	r.calls = append(r.calls, fmt.Sprintf("rollback %d", revision))
	return release.Info{Revision: len(r.revisions) + 1, Version: "1.2.3"}, nil
}

func (r *runner) Fail(_ context.Context, why string) error {
	r.calls = append(r.calls, "fail")
	last := &r.revisions[len(r.revisions)-1]
	last.Status, last.Description = release.Failed, why
	return nil
}

func (r *runner) Uninstall(context.Context) error {
	r.calls = append(r.calls, "uninstall")
	r.revisions = nil
	return nil
}

// fixture is an installer with a cluster in memory.
type fixture struct {
	*installer.Installer
	runner *runner
	client *fake.Clientset

	mu     sync.Mutex
	events []installer.Event
}

// newFixture grants all permissions except those that refused reports.
func newFixture(t *testing.T, refused func(authorization.ResourceAttributes) bool, objects ...runtime.Object) *fixture {
	t.Helper()
	standard := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{
		Name: "disk", Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"},
	}}
	client := fake.NewClientset(append(objects, standard)...)
	client.Discovery().(*fakediscovery.FakeDiscovery).FakedServerVersion = &version.Info{Major: "1", Minor: "34", GitVersion: "v1.34.4"}
	client.PrependReactor("create", "selfsubjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		r := a.(clienttesting.CreateAction).GetObject().(*authorization.SelfSubjectAccessReview)
		r.Status.Allowed = refused == nil || !refused(*r.Spec.ResourceAttributes)
		return true, r, nil
	})
	// Like the API server, set an id and a version on stored objects.
	stored := 0
	client.PrependReactor("*", "leases", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if change, ok := a.(interface{ GetObject() runtime.Object }); ok {
			m, err := meta.Accessor(change.GetObject())
			if err != nil {
				return true, nil, err
			}
			stored++
			m.SetUID("lease")
			m.SetResourceVersion(fmt.Sprint(stored))
		}
		return false, nil, nil
	})
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, kind := range []schema.GroupVersionKind{
		{Group: "apps", Version: "v1", Kind: "StatefulSet"},
		{Group: "apps", Version: "v1", Kind: "Deployment"},
		{Version: "v1", Kind: "Service"},
		{Version: "v1", Kind: "ConfigMap"},
		{Version: "v1", Kind: "Pod"},
		{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
		{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"},
	} {
		mapper.Add(kind, meta.RESTScopeNamespace)
	}
	r := &runner{t: t, client: client, workload: deployment(1)}
	l := &fixture{runner: r, client: client}
	l.Installer = &installer.Installer{
		Cluster: &kube.Cluster{Target: kube.Target{Context: "lab", Namespace: namespace}, Client: client, Mapper: mapper},
		Release: name, Runner: r, Version: "1.2.3", Now: time.Now,
		Report: func(e installer.Event) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.events = append(l.events, e)
		},
	}
	return l
}

// ended lists the steps that ended, with their results.
func (l *fixture) ended() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for _, e := range l.events {
		if e.State == installer.Done || e.State == installer.Failed {
			all = append(all, string(e.State)+" "+e.Step)
		}
	}
	return all
}

// deployment is a workload whose newest rollout has the given number of ready
// pods.
func deployment(available int32) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{
			Name: name + "-gateway", Namespace: namespace, UID: types.UID("gateway"), Generation: 1,
			Labels: map[string]string{
				"app.kubernetes.io/name": "soundextract", "app.kubernetes.io/instance": name, "app.kubernetes.io/component": "gateway",
			},
		},
		Status: appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: available},
	}
}

func wantCode(t *testing.T, err error, code sx.Code) {
	t.Helper()
	if sx.CodeOf(err) != code {
		t.Fatalf("got %v (%s), want %s", err, sx.CodeOf(err), code)
	}
}
