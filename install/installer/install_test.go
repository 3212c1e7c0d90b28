package installer_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/install/values"
	"github.com/soundextract/sx/install/watch"
	"github.com/soundextract/sx/server/sx"
)

func options(set ...string) installer.InstallOptions {
	return installer.InstallOptions{InstallRequest: installer.InstallRequest{Flags: values.Flags{Set: set}}, Wait: true, Timeout: 5 * time.Minute}
}

func TestFirstInstall(t *testing.T) {
	t.Parallel()
	l := newFixture(t, nil)
	info, err := l.Install(t.Context(), options("gateway.replicas=2"))
	if err != nil || info.Revision != 1 {
		t.Fatal(info, err)
	}
	want := []string{
		"done render the chart", "done check the cluster", "done create the namespace music", "done store the secrets",
		"done install the release soundextract", "done wait for the workloads",
	}
	if got := l.ended(); !slices.Equal(got, want) {
		t.Errorf("the steps are %q", got)
	}
	n, err := l.client.CoreV1().Namespaces().Get(t.Context(), namespace, metav1.GetOptions{})
	if err != nil || n.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
		t.Error(n.Labels, err)
	}
	given := l.runner.applied[0].Values
	made := given["global"].(map[string]any)["secrets"].(map[string]any)
	if made["create"] != false || made["revision"] == "" {
		t.Errorf("the secrets in the values are %v", made)
	}
	if size := given["mongodb"].(map[string]any)["persistence"].(map[string]any)["size"]; size != "8Gi" {
		t.Errorf("MongoDB's volume has %v, want that of the preset quickstart", size)
	}
	secrets, err := l.client.CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(secrets.Items) != 6 {
		t.Errorf("%d secrets, %v", len(secrets.Items), err)
	}
	leases, err := l.client.CoordinationV1().Leases(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(leases.Items) != 0 {
		t.Errorf("the lock still exists: %v, %v", leases.Items, err)
	}
	if rows := slices.DeleteFunc(l.events, func(e installer.Event) bool { return e.Row == nil }); len(rows) == 0 {
		t.Error("no workload was reported")
	}
}

// TestKeptValues checks that an upgrade keeps the values of earlier installs,
// unless they are reset.
func TestKeptValues(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, set := range []string{"gateway.replicas=2", "converter.logLevel=debug"} {
		if _, err := f.Install(t.Context(), options(set)); err != nil {
			t.Fatal(err)
		}
	}
	get := func(revision int, part, key string) any {
		values, _ := f.runner.applied[revision-1].Values[part].(map[string]any)
		return values[key]
	}
	if gateways, level := get(2, "gateway", "replicas"), get(2, "converter", "logLevel"); gateways != int64(2) || level != "debug" {
		t.Errorf("the upgrade has %v gateways and the log level %v", gateways, level)
	}
	reset := options()
	reset.Reset = true
	if _, err := f.Install(t.Context(), reset); err != nil {
		t.Fatal(err)
	}
	if gateways, volume := get(3, "gateway", "replicas"), get(3, "mongodb", "persistence"); gateways != nil || volume == nil {
		t.Errorf("after a reset there are %v gateways, and MongoDB's volume is %v", gateways, volume)
	}
}

// TestOneManifest checks that the manifest that a dry run prints is the one
// that is applied, and that a diff is empty afterwards.
func TestOneManifest(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	if _, err := f.Install(t.Context(), options()); err != nil {
		t.Fatal(err)
	}
	request := options("gateway.replicas=2", "converter.encoders=2")
	planned, err := f.Diff(t.Context(), request.InstallRequest)
	if err != nil || len(planned) == 0 {
		t.Fatalf("the diff is %v, %v", planned, err)
	}
	shown, _, err := f.Manifest(t.Context(), request.InstallRequest)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Install(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	if f.runner.applied[1].Manifest != shown {
		t.Error("the applied manifest differs from the one that the dry run printed")
	}
	if left, err := f.Diff(t.Context(), request.InstallRequest); err != nil || len(left) > 0 {
		t.Errorf("afterwards the diff is %v, %v", left, err)
	}
}

// nodeClaim is the claim of a node of RabbitMQ.
func nodeClaim(ordinal int, phase corev1.PersistentVolumeClaimPhase) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("data-soundextract-rabbitmq-%d", ordinal), Namespace: namespace},
		Status:     corev1.PersistentVolumeClaimStatus{Phase: phase},
	}
}

// TestRefused checks that a refused install leaves nothing in the cluster.
func TestRefused(t *testing.T) {
	t.Parallel()
	noDeployments := func(a authorization.ResourceAttributes) bool {
		return a.Resource == "deployments" && a.Verb == "create"
	}
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "few", Namespace: namespace},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"pods": resource.MustParse("4")}},
	}
	volume := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "soundextract-mongodb", Namespace: namespace}}
	volume.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "data"}}}
	volume.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests = corev1.ResourceList{"storage": resource.MustParse("200Gi")}
	tests := []struct {
		name    string
		set     string
		refused func(authorization.ResourceAttributes) bool
		there   runtime.Object
		code    sx.Code
		words   string
	}{
		{"value", "gateway.replicas=many", nil, nil, sx.CodeInvalid, "gateway.replicas"},
		{"unknown value", "gatway.replicas=2", nil, nil, sx.CodeInvalid, "gatway"},
		{"permission", "gateway.replicas=1", noDeployments, nil, sx.CodeForbidden, "create deployments.apps"},
		{"quota", "gateway.replicas=1", nil, quota, sx.CodeConflict, "the quota few leaves 4 of pods"},
		{"class", "mongodb.persistence.storageClass=fast", nil, nil, sx.CodeConflict, `storage class "fast" not found`},
		{"volume", "gateway.replicas=1", nil, volume, sx.CodeInvalid, "have 200Gi and cannot shrink to 8Gi"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var there []runtime.Object
			if tt.there != nil {
				there = append(there, tt.there)
			}
			l := newFixture(t, tt.refused, there...)
			_, err := l.Install(t.Context(), options(tt.set))
			if err == nil || !strings.Contains(err.Error(), tt.words) {
				t.Fatalf("got %v, want %q", err, tt.words)
			}
			wantCode(t, err, tt.code)
			secrets, err := l.client.CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{})
			if err != nil || len(secrets.Items)+len(l.runner.calls) > 0 {
				t.Errorf("it left %v, %v, %v", secrets.Items, l.runner.calls, err)
			}
			if _, err := l.client.CoreV1().Namespaces().Get(t.Context(), namespace, metav1.GetOptions{}); err == nil {
				t.Error("the namespace was created")
			}
		})
	}
}

// TestNodesOfRabbitMQ checks that RabbitMQ cannot be scaled below the number of
// nodes that have stored data; a claim that was never bound has stored none.
func TestNodesOfRabbitMQ(t *testing.T) {
	t.Parallel()
	const bound, pending = corev1.ClaimBound, corev1.ClaimPending
	tests := map[string]struct {
		set     string
		claims  []runtime.Object
		refusal string
	}{
		"one again":     {"rabbitmq.replicas=1", []runtime.Object{nodeClaim(0, bound)}, ""},
		"one to 3":      {"rabbitmq.replicas=3", []runtime.Object{nodeClaim(0, bound)}, ""},
		"3 again":       {"rabbitmq.replicas=3", []runtime.Object{nodeClaim(0, bound), nodeClaim(2, bound)}, ""},
		"3 to one":      {"rabbitmq.replicas=1", []runtime.Object{nodeClaim(0, bound), nodeClaim(2, bound)}, "has stored data on 3 nodes and cannot be scaled down to 1"},
		"never started": {"rabbitmq.replicas=1", []runtime.Object{nodeClaim(0, bound), nodeClaim(1, pending)}, ""},
		"elsewhere":     {"rabbitmq.enabled=false,global.externalRabbitmqSecret=mine,global.externalRabbitmqNetworks={10.1.0.0/16}", []runtime.Object{nodeClaim(2, bound)}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mine := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "mine", Namespace: namespace}, Data: map[string][]byte{"uri": []byte("amqp://elsewhere")}}
			kept := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "soundextract-rabbitmq", Namespace: namespace}}
			there := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
			l := newFixture(t, nil, append(tt.claims, mine, kept, there)...)
			if tt.refusal != "" {
				if _, _, err := l.Manifest(t.Context(), options(tt.set).InstallRequest); !strings.Contains(fmt.Sprint(err), tt.refusal) {
					t.Errorf("a dry run returned %v, want %q", err, tt.refusal)
				}
			}
			_, err := l.Install(t.Context(), options(tt.set))
			if tt.refusal == "" && err != nil || tt.refusal != "" && !strings.Contains(fmt.Sprint(err), tt.refusal) {
				t.Errorf("got %v, want %q", err, tt.refusal)
			}
			if applied := len(l.runner.applied) > 0; applied == (tt.refusal != "") {
				t.Errorf("applied: %v", applied)
			}
		})
	}
}

// TestNotReady checks that the revision fails if a workload does not become
// ready, and that the error has the reason.
func TestNotReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newFixture(t, nil)
		l.runner.workload = deployment(0)
		_, err := l.Install(t.Context(), options())
		var problem *watch.Problem
		if !errors.As(err, &problem) || problem.Object != "Deployment/soundextract-gateway" {
			t.Fatalf("got %v", err)
		}
		last := l.runner.revisions[0]
		if last.Status != release.Failed || last.Description != problem.Error() {
			t.Errorf("the revision is %s: %s", last.Status, last.Description)
		}
		l.runner.workload = deployment(1)
		if _, err := l.Install(t.Context(), options()); err != nil {
			t.Error(err)
		}
	})
}

// values returns the values in force by name.
func (l *fixture) values(t *testing.T) map[string]installer.Value {
	t.Helper()
	list, err := l.Values(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]installer.Value{}
	for _, v := range list {
		all[v.Name] = v
	}
	return all
}

// TestFailedAttempt checks that the values of a failed install are not kept, that the
// next install says so, and that the error names the revision to roll back to.
func TestFailedAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newFixture(t, nil)
		if _, err := l.Install(t.Context(), options("gateway.logLevel=debug")); err != nil {
			t.Fatal(err)
		}
		l.runner.workload = deployment(0)
		_, err := l.Install(t.Context(), options("gateway.image.tag=wrong", "gateway.maxUpload=1GiB"))
		var problem *watch.Problem
		if !errors.As(err, &problem) || !strings.HasSuffix(err.Error(), "; revision 1 worked") ||
			!strings.HasSuffix(sx.AsError(err).Hint, "; or go back to revision 1 with: sx rollback 1 --context lab -n music") {
			t.Fatalf("got %v, hint: %s", err, sx.AsError(err).Hint)
		}
		if v := l.values(t); v["gateway.image.tag"].Value != "" || v["gateway.logLevel"].Value != "debug" {
			t.Errorf("in force are %+v, %+v", v["gateway.image.tag"], v["gateway.logLevel"])
		}
		l.runner.workload = deployment(1)
		if _, err := l.Install(t.Context(), options("gateway.maxUpload=1GiB")); err != nil {
			t.Fatal(err)
		}
		if got := l.warnings(); !slices.Contains(got, "revision 2 failed, so its values are not kept: gateway.image.tag=wrong") {
			t.Errorf("the warnings are %q", got)
		}
		v := l.values(t)
		if v["gateway.image.tag"].Value != "" || v["gateway.logLevel"].Value != "debug" || v["gateway.maxUpload"].Value != "1GiB" {
			t.Errorf("in force are %+v", v)
		}
	})
}

// TestRollbackOnFailure checks that a failed install is rolled back to the newest
// revision that worked, and that the error still says why it failed.
func TestRollbackOnFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newFixture(t, nil)
		l.runner.workload = deployment(0)
		o := options()
		o.RollbackOnFailure = true
		_, err := l.Install(t.Context(), o)
		if err == nil || slices.Contains(l.runner.calls, "rollback 1") || !slices.Contains(l.warnings(), "there is no earlier revision to roll back to") {
			t.Fatalf("the first install: %v, %q, %q", err, l.runner.calls, l.warnings())
		}
		l.runner.workload = deployment(1)
		if _, err := l.Install(t.Context(), options()); err != nil {
			t.Fatal(err)
		}
		l.runner.workload, l.runner.rolledBack = deployment(0), deployment(1)
		o = options("gateway.image.tag=wrong")
		o.RollbackOnFailure = true
		_, err = l.Install(t.Context(), o)
		var problem *watch.Problem
		if !errors.As(err, &problem) || !strings.HasSuffix(err.Error(), "; rolled back to revision 2") {
			t.Errorf("got %v", err)
		}
		if last := l.runner.revisions[len(l.runner.revisions)-1]; last.Status != release.Deployed || last.Revision != 4 {
			t.Errorf("the last revision is %d, %s", last.Revision, last.Status)
		}

		// What the cluster refuses is rolled back too.
		l.runner.err = sx.NewError(sx.CodeForbidden, "no right")
		if _, err = l.Install(t.Context(), o); sx.CodeOf(err) != sx.CodeForbidden || !strings.Contains(err.Error(), "rolled back to revision 4") {
			t.Errorf("got %v", err)
		}
	})
}

// TestValues checks the sources of the values, and that secret ones are hidden.
func TestValues(t *testing.T) {
	t.Parallel()
	l := newFixture(t, nil, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "smtp", Namespace: namespace}, Data: map[string][]byte{"password": []byte("x")}})
	file := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(file, []byte("gateway: {ingress: {annotations: {auth-token: hunter2, note: 'https://ada:hunter2@example.org'}}}\nnotifier: {smtp: {secret: smtp, addr: 'mail:25', from: a@example.org}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	first := options("converter.logLevel=debug")
	first.Flags.Preset, first.Flags.Files = "production", []string{file}
	if _, err := l.Install(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Install(t.Context(), options("gateway.replicas=4")); err != nil {
		t.Fatal(err)
	}
	got := l.values(t)
	for name, want := range map[string]installer.Value{
		"gateway.replicas":                       {Value: int64(4), Source: values.Source{From: "--set", Revision: 2}},
		"converter.logLevel":                     {Value: "debug", Source: values.Source{From: "--set", Revision: 1}},
		"rabbitmq.replicas":                      {Value: float64(3), Source: values.Source{From: "preset production", Revision: 1}},
		"notifier.smtp.secret":                   {Value: "smtp", Source: values.Source{From: "file mine.yaml", Revision: 1}},
		"gateway.ingress.annotations.auth-token": {Value: "(hidden)", Source: values.Source{From: "file mine.yaml", Revision: 1}},
		"gateway.ingress.annotations.note":       {Value: "(hidden)", Source: values.Source{From: "file mine.yaml", Revision: 1}},
		"gateway.quota":                          {Value: "50GiB", Source: values.Source{From: "default"}},
	} {
		v := got[name]
		if fmt.Sprint(v.Value) != fmt.Sprint(want.Value) || v.Source != want.Source {
			t.Errorf("%s: got %+v, want %+v", name, v, want)
		}
	}
	if _, shown := got["global.secrets.revision"]; shown {
		t.Error("the revision of the secrets is among the values")
	}
}

// TestHistory checks the author of each revision, and its changes compared with the last
// earlier revision that worked.
func TestHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newFixture(t, nil)
		l.client.PrependReactor("create", "selfsubjectreviews", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, &authentication.SelfSubjectReview{Status: authentication.SelfSubjectReviewStatus{UserInfo: authentication.UserInfo{Username: "ada"}}}, nil
		})
		if _, err := l.Install(t.Context(), options("gateway.replicas=2")); err != nil {
			t.Fatal(err)
		}
		l.runner.workload = deployment(0)
		if _, err := l.Install(t.Context(), options("gateway.image.tag=wrong")); err == nil {
			t.Fatal("the second install did not fail")
		}
		l.runner.workload = deployment(1)
		if _, err := l.Install(t.Context(), options("gateway.replicas=3")); err != nil {
			t.Fatal(err)
		}
		all, err := l.History(t.Context())
		if err != nil || len(all) != 3 {
			t.Fatal(all, err)
		}
		for i, want := range []string{"[gateway.replicas: 2 → 3]", "[gateway.image.tag: default → wrong]", "gateway.replicas: default → 2"} {
			if got := fmt.Sprint(all[i].Changes); !strings.Contains(got, want) {
				t.Errorf("revision %d has changed %s, want %s", all[i].Revision, got, want)
			}
			if !strings.HasSuffix(all[i].Author, " (ada)") {
				t.Errorf("revision %d was made by %q", all[i].Revision, all[i].Author)
			}
		}
	})
}

// TestVersionWarnings checks that a downgrade, and images of another version than the
// chart's, are announced.
func TestVersionWarnings(t *testing.T) {
	t.Parallel()
	l := newFixture(t, nil)
	if _, err := l.Install(t.Context(), options("gateway.image.tag=1.2.3", "converter.image.tag=1.0.0")); err != nil {
		t.Fatal(err)
	}
	const images = "the values set images whose version differs from the chart's 1.2.3: converter 1.0.0; remove them with: sx install --set converter.image.tag=null --context lab -n music"
	if got := l.warnings(); !slices.Equal(got, []string{images}) {
		t.Errorf("the warnings are %q", got)
	}
	l.Version = "1.1.0"
	if _, err := l.Install(t.Context(), options("converter.image.tag=null", "gateway.image.tag=null")); err != nil {
		t.Fatal(err)
	}
	if got := l.warnings()[1:]; len(got) != 1 || !strings.HasPrefix(got[0], "downgrade: SoundExtract 1.2.3 is replaced by 1.1.0") {
		t.Errorf("the warnings are %q", got)
	}
}

func TestInstallWithoutWaiting(t *testing.T) {
	t.Parallel()
	l := newFixture(t, nil)
	l.runner.workload = deployment(0)
	o := options()
	o.Wait = false
	if _, err := l.Install(t.Context(), o); err != nil {
		t.Error(err)
	}
}

// TestAdministrator checks that the administrator's account is offered with its code until
// it was created, also after an upgrade.
func TestAdministrator(t *testing.T) {
	t.Parallel()
	l := newFixture(t, nil)
	if _, err := l.Install(t.Context(), options()); err != nil {
		t.Fatal(err)
	}
	admin, err := l.Administrator(t.Context())
	if err != nil || admin == nil || admin.Name != "admin" || !strings.HasPrefix(admin.Code, "sxi_") {
		t.Fatalf("got %+v, %v", admin, err)
	}
	if _, err := l.Install(t.Context(), options("auth.admin=ada")); err != nil {
		t.Fatal(err)
	}
	if admin, err := l.Administrator(t.Context()); err != nil || admin == nil || admin.Name != "ada" {
		t.Errorf("with another name: got %+v, %v", admin, err)
	}
	if err := l.AdministratorCreated(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Install(t.Context(), options()); err != nil {
		t.Fatal(err)
	}
	if admin, err := l.Administrator(t.Context()); err != nil || admin != nil {
		t.Errorf("after it was created: got %+v, %v", admin, err)
	}
}

// TestExternalParts checks that sx creates no Secrets for an external RabbitMQ
// and MongoDB.
func TestExternalParts(t *testing.T) {
	t.Parallel()
	var given []runtime.Object
	for _, name := range []string{"broker", "database"} {
		given = append(given, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}})
	}
	l := newFixture(t, nil, given...)
	_, err := l.Install(t.Context(), options(
		"rabbitmq.enabled=false", "global.externalRabbitmqSecret=broker", "global.externalRabbitmqNetworks={10.1.0.0/16}",
		"mongodb.enabled=false", "global.externalMongodbSecret=database", "global.externalMongodbNetworks={10.1.0.0/16}"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"rabbitmq": false, "mongodb": false, "auth-keys": true, "admin": true} {
		_, err := l.client.CoreV1().Secrets(namespace).Get(t.Context(), "soundextract-"+name, metav1.GetOptions{})
		if (err == nil) != want {
			t.Errorf("the secret of %s: %v, want it created: %v", name, err, want)
		}
	}
}
