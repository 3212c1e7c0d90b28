package installer_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authorization "k8s.io/api/authorization/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/version"
	fakediscovery "k8s.io/client-go/discovery/fake"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"

	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/install/manifest"
	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/server/sx"
)

const (
	namespace = "music"
	name      = "soundextract"
)

// runner is a release.Runner that keeps its revisions in memory.
type runner struct {
	t          *testing.T
	client     *fake.Clientset
	cluster    *kube.Cluster
	revisions  []release.Info // the newest last
	applied    []*release.Rendered
	calls      []string
	workload   *appsv1.Deployment // the objects that Apply creates; nil means none
	rolledBack *appsv1.Deployment // the same for Rollback; nil leaves them as they are
	err        error              // of Apply
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
	if n := len(r.revisions); n > 0 && r.revisions[n-1].Status != release.Failed {
		r.revisions[n-1].Status = release.Superseded
	}
	info := release.Info{Revision: len(r.revisions) + 1, Status: release.Deployed, Version: rendered.Version, Updated: time.Now(), Values: rendered.Values, Manifest: rendered.Manifest, Notes: rendered.Notes}
	r.revisions = append(r.revisions, info)
	if err := r.store(ctx, rendered.Manifest); err != nil {
		return info, err
	}
	if r.workload != nil {
		deployments := r.client.AppsV1().Deployments(namespace)
		if _, err := deployments.Create(ctx, r.workload, metav1.CreateOptions{}); err != nil {
			_, err = deployments.Update(ctx, r.workload, metav1.UpdateOptions{})
			return info, err
		}
	}
	return info, nil
}

// store replaces the objects of the cluster by those of a manifest.
func (r *runner) store(ctx context.Context, text string) error {
	objects, err := manifest.Parse(text)
	if err != nil {
		return err
	}
	for _, o := range objects {
		data, err := o.MarshalJSON()
		if err != nil {
			return err
		}
		if err := o.UnmarshalJSON(data); err != nil { // with the types that the API server's have
			return err
		}
		mapping, err := r.cluster.Mapper.RESTMapping(o.GroupVersionKind().GroupKind(), o.GroupVersionKind().Version)
		if err != nil {
			return err
		}
		resource := r.cluster.Dynamic.Resource(mapping.Resource).Namespace(namespace)
		if _, err := resource.Create(ctx, o, metav1.CreateOptions{}); err != nil {
			if _, err := resource.Update(ctx, o, metav1.UpdateOptions{}); err != nil {
				return err
			}
		}
	}
	return nil
}

// newObjects returns the API of the objects that manifests contain. Like the API server, it
// merges patches strategically and stores nothing in a dry run.
func newObjects(t *testing.T) *dynamicfake.FakeDynamicClient {
	t.Helper()
	api := dynamicfake.NewSimpleDynamicClient(runtime.NewScheme())
	api.PrependReactor("patch", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		patch := a.(clienttesting.PatchActionImpl)
		if patch.PatchType == types.ApplyPatchType {
			return true, &unstructured.Unstructured{}, nil // accepts every dry run
		}
		if !slices.Equal(patch.PatchOptions.DryRun, []string{metav1.DryRunAll}) {
			t.Errorf("%s %s was changed", patch.Resource.Resource, patch.Name)
		}
		found, err := api.Tracker().Get(patch.Resource, patch.Namespace, patch.Name)
		if err != nil {
			return true, nil, err
		}
		live := found.(*unstructured.Unstructured)
		typed, err := scheme.Scheme.New(live.GroupVersionKind())
		if err != nil {
			return true, nil, err
		}
		before, err := live.MarshalJSON()
		if err != nil {
			return true, nil, err
		}
		after, err := strategicpatch.StrategicMergePatch(before, patch.Patch, typed)
		if err != nil {
			return true, nil, err
		}
		merged := &unstructured.Unstructured{}
		return true, merged, merged.UnmarshalJSON(after)
	})
	return api
}

func (r *runner) Rollback(ctx context.Context, revision int, notes map[string]string) (release.Info, error) {
	r.calls = append(r.calls, fmt.Sprintf("rollback %d", revision))
	info := r.revisions[revision-1]
	earlier := info.Notes
	info.Notes = maps.Clone(notes)
	for name, note := range earlier {
		if _, set := notes[name]; !set {
			info.Notes[name] = note
		}
	}
	if n := len(r.revisions); r.revisions[n-1].Status == release.Deployed {
		r.revisions[n-1].Status = release.Superseded
	}
	info.Revision, info.Status, info.Description = len(r.revisions)+1, release.Deployed, fmt.Sprintf("Rollback to %d", revision)
	r.revisions = append(r.revisions, info)
	if r.rolledBack != nil {
		r.workload = r.rolledBack
		if _, err := r.client.AppsV1().Deployments(namespace).Update(ctx, r.workload, metav1.UpdateOptions{}); err != nil {
			return info, err
		}
	}
	return info, r.store(ctx, info.Manifest)
}

func (r *runner) Fail(_ context.Context, why string) error {
	r.calls = append(r.calls, "fail")
	last := &r.revisions[len(r.revisions)-1]
	last.Status, last.Description = release.Failed, why
	return nil
}

func (r *runner) Uninstall(ctx context.Context) error {
	r.calls = append(r.calls, "uninstall")
	r.revisions = nil
	err := r.client.AppsV1().Deployments(namespace).Delete(ctx, name+"-gateway", metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
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
	// Not NewClientset, which maps all kinds anew for each request, to manage fields.
	client := fake.NewSimpleClientset(append(objects, standard)...)
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
		{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"},
	} {
		mapper.Add(kind, meta.RESTScopeNamespace)
	}
	r := &runner{t: t, client: client, workload: deployment(1)}
	l := &fixture{runner: r, client: client}
	l.Installer = &installer.Installer{
		Cluster: &kube.Cluster{Target: kube.Target{Context: "lab", Namespace: namespace}, Client: client, Dynamic: newObjects(t), Mapper: mapper},
		Release: name, Runner: r, Version: "1.2.3", Now: time.Now,
		Report: func(e installer.Event) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.events = append(l.events, e)
		},
	}
	r.cluster = l.Cluster
	l.Exec = func(context.Context, string, string, []string, string) (string, error) {
		t.Error("a command was run in a pod")
		return "", nil
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

// warnings lists the texts of all warnings.
func (l *fixture) warnings() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for _, e := range l.events {
		// The cluster has no nodes, and nothing creates volumes.
		if e.State == installer.Warning && !strings.Contains(e.Detail, "its volume is missing") && !strings.Contains(e.Detail, "no node on which") {
			all = append(all, e.Detail)
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
