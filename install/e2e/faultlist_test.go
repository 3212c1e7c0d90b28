//go:build e2e

package e2e

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	admission "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soundextract/sx/server/testkit/authority"
)

// brokenKey is an invalid signing key from before the first install, so that auth cannot
// start. args are those of the install.
func (o *operator) brokenKey(args []string) fault {
	secrets := cluster.Client.CoreV1().Secrets(o.namespace)
	return fault{
		name: "a signing key that is not a key", command: o.install(args...),
		inject: func(o *operator) {
			_, err := secrets.Create(o.ctx, &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Name: "soundextract-auth-keys"},
				StringData: map[string]string{"broken.pem": "not a key"},
			}, metav1.CreateOptions{})
			o.must(err)
		},
		cause: `Deployment/soundextract-auth, pod \S+, container auth: CrashLoop: invalid setting keys`,
		shows: `invalid setting keys`,
		repair: func(o *operator) {
			o.must(secrets.Delete(o.ctx, "soundextract-auth-keys", metav1.DeleteOptions{}))
			o.sx(o.install(args...)...)
		},
	}
}

// refusedInstalls are faults because of which sx install refuses a change.
func (o *operator) refusedInstalls() []fault {
	nothing := func(*operator) {}
	quotas := cluster.Client.CoreV1().ResourceQuotas(o.namespace)
	quota := func(name string, hard corev1.ResourceName, most string) func(*operator) {
		return func(o *operator) {
			_, err := quotas.Create(o.ctx, &corev1.ResourceQuota{
				ObjectMeta: metav1.ObjectMeta{Name: name},
				Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{hard: resource.MustParse(most)}},
			}, metav1.CreateOptions{})
			o.must(err)
			o.eventually(o.ctx, "the quota is counted", func(ctx context.Context) bool {
				q, err := quotas.Get(ctx, name, metav1.GetOptions{})
				return err == nil && len(q.Status.Used) > 0
			})
		}
	}
	removeQuota := func(name string) func(*operator) {
		return func(o *operator) { o.must(quotas.Delete(o.ctx, name, metav1.DeleteOptions{})) }
	}
	return []fault{
		{
			name: "a storage class that does not exist", inject: nothing,
			command: o.install("--set", "mongodb.persistence.storageClass=no-such-class"),
			cause:   `storage class "no-such-class" not found`, shows: `PROVISIONER|No resources found`,
		},
		{
			name: "a Secret of the values that does not exist", inject: nothing,
			command: o.install("--set", "notifier.smtp.addr=mail.example.org:587,notifier.smtp.from=sx@example.org,notifier.smtp.user=sx,notifier.smtp.secret=mail"),
			cause:   `secret not found in the namespace \S+: mail`, shows: `soundextract-mongodb `,
		},
		{
			name: "a quota that is used up", inject: quota("five-pods", corev1.ResourcePods, "5"), repair: removeQuota("five-pods"),
			command: o.install("--set", "gateway.replicas=2"),
			cause:   `the quota five-pods leaves`, shows: `five-pods`,
		},
		{
			name: "a quota that requires CPU limits", inject: quota("limited", corev1.ResourceLimitsCPU, "100"), repair: removeQuota("limited"),
			command: o.install("--set", "gateway.logLevel=debug"),
			cause:   `the quota limited limits limits.cpu, so that each container must set it`, shows: `limits.cpu`,
		},
		{
			name: "a missing verb", command: o.install(),
			inject: func(o *operator) {
				o.reader()
				o.kubeconfig = filepath.Join(o.home, "reader.kubeconfig")
				o.grant(strings.ReplaceAll(o.sx(o.at("doctor", "--role")...), "  - deletecollection\n", ""))
			},
			cause: `missing permissions: deletecollection pods`, shows: `- deletecollection`,
		},
		{
			name: "an older RabbitMQ than the data", inject: nothing, command: o.install("--set", "rabbitmq.image.tag=4.1.8-management"),
			cause: `the data of rabbitmq has version 4\.3, and RabbitMQ 4\.1 cannot use it`,
		},
		{
			name: "no free capacity", inject: nothing, command: o.install("--set", "converter.resources.requests.cpu=900,converter.resources.limits.cpu=900"),
			cause: `Deployment/soundextract-converter, pod \S+: Unschedulable: .*Insufficient cpu`,
		},
		{
			name: "a wrong tag", inject: nothing, command: o.install("--set", "gateway.image.tag=no-such-tag"),
			cause: `Deployment/soundextract-gateway, pod \S+, container gateway: ImageCannotBePulled: the image \S+:no-such-tag cannot be pulled`,
		},
	}
}

// inaccessibleClusters are faults of the access to the cluster.
func (o *operator) inaccessibleClusters() []fault {
	return []fault{
		{
			name:   "an API server that does not respond",
			inject: func(o *operator) { o.useKubeconfig("https://127.0.0.1:1", nil) },
			cause:  `the cluster test does not respond`, shows: `refused`,
		},
		{
			name:   "credentials of the cluster that have expired",
			inject: func(o *operator) { o.useKubeconfig(cluster.Config.Host, o.clusterCA()) },
			cause:  `not signed in to the cluster`, shows: `Unauthorized`,
		},
	}
}

// useKubeconfig makes the operator use another kubeconfig, with credentials that no
// cluster accepts.
func (o *operator) useKubeconfig(server string, ca []byte) {
	o.t.Helper()
	o.kubeconfig = filepath.Join(o.t.TempDir(), "kubeconfig")
	o.writeKubeconfig(server, "none", ca)
}

// clusterCA returns the authority of the API server's certificate.
func (o *operator) clusterCA() []byte {
	o.t.Helper()
	if len(cluster.Config.CAData) > 0 {
		return cluster.Config.CAData
	}
	ca, err := os.ReadFile(cluster.Config.CAFile)
	o.must(err)
	return ca
}

// changedByHand are changes of the installation, or of the rules for its pods, that sx did
// not make.
func (o *operator) changedByHand(issuer *authority.Authority) []fault {
	secrets, maps := cluster.Client.CoreV1().Secrets(o.namespace), cluster.Client.CoreV1().ConfigMaps(o.namespace)
	var waiting string
	return []fault{
		{
			name: "an edited Deployment",
			inject: func(o *operator) {
				patch := []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"notifier","env":[{"name":"SX_LOG_LEVEL","value":"loud"}]}]}}}}`)
				_, err := cluster.Client.AppsV1().Deployments(o.namespace).Patch(o.ctx, "soundextract-notifier",
					types.StrategicMergePatchType, patch, metav1.PatchOptions{FieldManager: "kubectl-edit"})
				o.must(err)
			},
			cause: `Deployment/soundextract-notifier, pod \S+, container notifier: CrashLoop: invalid setting log-level: .*kubectl-edit has edited the Deployment since it was installed`,
		},
		{
			name: "a deleted Secret",
			inject: func(o *operator) {
				o.must(secrets.Delete(o.ctx, "soundextract-auth-keys", metav1.DeleteOptions{}))
			},
			cause: `release/soundextract: secrets: secret not found: soundextract-auth-keys`,
		},
		{
			name: "a deleted ConfigMap",
			inject: func(o *operator) {
				o.must(maps.Delete(o.ctx, "soundextract-rabbitmq", metav1.DeleteOptions{}))
				o.deletePod("rabbitmq")
			},
			cause: `StatefulSet/soundextract-rabbitmq, pod soundextract-rabbitmq-0: FailedMount: .*configmap "soundextract-rabbitmq" not found`,
		},
		{
			name: "converters that were scaled to 0",
			inject: func(o *operator) {
				o.scale("soundextract-converter", 0)
				waiting = lines[job](o, o.sx("upload", "--json", o.makeVideo("scaled.mkv", 5, 330)))[0].ID
			},
			cause:  `Deployment/soundextract-converter: ScaledToZero: scaled to 0: no converter takes the jobs that are waiting \(1\)`,
			before: `Deployment/soundextract-converter: ScaledToZero: scaled to 0, so that it does no work`,
			repair: func(o *operator) { o.sx("watch", waiting) },
		},
		{
			name: "a MongoDB that was scaled to 0",
			inject: func(o *operator) {
				_, err := cluster.Client.AppsV1().StatefulSets(o.namespace).
					Patch(o.ctx, "soundextract-mongodb", types.MergePatchType, []byte(`{"spec":{"replicas":0}}`), metav1.PatchOptions{})
				o.must(err)
			},
			cause: `StatefulSet/soundextract-mongodb: ScaledToZero: scaled to 0`,
		},
		o.refusingWebhook(),
		o.requiredLabel(),
		{
			name: "an expired certificate",
			inject: func(o *operator) {
				expired := o.certificate(issuer, "gateway")
				files, err := issuer.IssueExpired("soundextract-gateway")
				o.must(err)
				expired.Data = files
				_, err = secrets.Update(o.ctx, expired, metav1.UpdateOptions{})
				o.must(err)
			},
			cause: `release/soundextract: certificates: the certificate in the secret soundextract-gateway-tls expired`, shows: `notAfter=`,
			repair: func(o *operator) { // before the kubelet has updated the volume
				_, err := secrets.Update(o.ctx, o.certificate(issuer, "gateway"), metav1.UpdateOptions{})
				o.must(err)
			},
		},
		{
			name: "a dead letter", inject: (*operator).publishDeadLetter,
			cause: `release/soundextract: dead-letters: dead-lettered messages: 1 in sx.convert.dead`,
		},
	}
}

// must ends the test if there is an error.
func (o *operator) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// deletePod deletes the pods of a component at once.
func (o *operator) deletePod(component string) {
	o.t.Helper()
	now := int64(0)
	for _, p := range o.pods(component) {
		o.must(cluster.Client.CoreV1().Pods(o.namespace).Delete(o.ctx, p.Name, metav1.DeleteOptions{GracePeriodSeconds: &now}))
	}
}

const admissionName = "no-pods.e2e.soundextract.io"

// namespaceOnly selects the operator's namespace.
func (o *operator) namespaceOnly() *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: o.namespace}}
}

var createPods = admission.RuleWithOperations{
	Operations: []admission.OperationType{admission.Create},
	Rule:       admission.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
}

// refusingWebhook makes the namespace's pods depend on an admission webhook that does not
// exist.
func (o *operator) refusingWebhook() fault {
	hooks := cluster.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	remove := func(ctx context.Context) error { return hooks.Delete(ctx, admissionName, metav1.DeleteOptions{}) }
	return fault{
		name: "an admission webhook that does not respond",
		inject: func(o *operator) {
			fail, none := admission.Fail, admission.SideEffectClassNone
			_, err := hooks.Create(o.ctx, &admission.ValidatingWebhookConfiguration{
				ObjectMeta: metav1.ObjectMeta{Name: admissionName},
				Webhooks: []admission.ValidatingWebhook{{
					Name: admissionName, FailurePolicy: &fail, SideEffects: &none, NamespaceSelector: o.namespaceOnly(),
					ClientConfig: admission.WebhookClientConfig{
						Service: &admission.ServiceReference{Namespace: o.namespace, Name: "nobody"},
					},
					Rules: []admission.RuleWithOperations{createPods}, AdmissionReviewVersions: []string{"v1"},
				}},
			}, metav1.CreateOptions{})
			o.must(err)
			o.cleanUp(remove)
			o.deletePod("notifier")
		},
		cause:  `Deployment/soundextract-notifier: CreationRefused: .*calling webhook "no-pods\.e2e\.soundextract\.io"`,
		shows:  `no-pods\.e2e\.soundextract\.io`,
		repair: func(o *operator) { o.must(remove(o.ctx)) },
	}
}

// requiredLabel is a policy that pods of the release do not meet.
func (o *operator) requiredLabel() fault {
	policies, bindings := cluster.Client.AdmissionregistrationV1().ValidatingAdmissionPolicies(), cluster.Client.AdmissionregistrationV1().ValidatingAdmissionPolicyBindings()
	remove := func(ctx context.Context) error {
		if err := bindings.Delete(ctx, admissionName, metav1.DeleteOptions{}); err != nil {
			return err
		}
		return policies.Delete(ctx, admissionName, metav1.DeleteOptions{})
	}
	return fault{
		name: "a policy that requires a label",
		inject: func(o *operator) {
			_, err := policies.Create(o.ctx, &admission.ValidatingAdmissionPolicy{
				ObjectMeta: metav1.ObjectMeta{Name: admissionName},
				Spec: admission.ValidatingAdmissionPolicySpec{
					MatchConstraints: &admission.MatchResources{ResourceRules: []admission.NamedRuleWithOperations{{RuleWithOperations: createPods}}},
					Validations:      []admission.Validation{{Expression: "has(object.metadata.labels.team)", Message: "every pod needs the label team"}},
				},
			}, metav1.CreateOptions{})
			o.must(err)
			o.cleanUp(remove)
			_, err = bindings.Create(o.ctx, &admission.ValidatingAdmissionPolicyBinding{
				ObjectMeta: metav1.ObjectMeta{Name: admissionName},
				Spec: admission.ValidatingAdmissionPolicyBindingSpec{
					PolicyName: admissionName, ValidationActions: []admission.ValidationAction{admission.Deny},
					MatchResources: &admission.MatchResources{NamespaceSelector: o.namespaceOnly()},
				},
			}, metav1.CreateOptions{})
			o.must(err)
			refused := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "refused"}, Spec: o.pods("notifier")[0].Spec}
			o.eventually(within(o.t, time.Minute), "the policy is in force", func(ctx context.Context) bool {
				_, err := cluster.Client.CoreV1().Pods(o.namespace).Create(ctx, refused, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
				return err != nil && strings.Contains(err.Error(), admissionName)
			})
			o.deletePod("notifier")
		},
		cause:  `Deployment/soundextract-notifier: CreationRefused: .*every pod needs the label team`,
		shows:  `every pod needs the label team`,
		repair: func(o *operator) { o.must(remove(o.ctx)) },
	}
}

// cleanUp removes objects that do not belong to the namespace at the end of the test,
// unless they have been removed before.
func (o *operator) cleanUp(remove func(context.Context) error) {
	o.t.Helper()
	o.t.Cleanup(func() {
		if err := remove(context.Background()); err != nil && !apierrors.IsNotFound(err) {
			o.t.Error(err)
		}
	})
}

// publishDeadLetter publishes a message to the exchange for dead letters, as a user who is
// removed again.
func (o *operator) publishDeadLetter() {
	o.t.Helper()
	const user = "e2e"
	for _, command := range [][]string{
		{"add_user", user, user}, {"set_user_tags", user, "administrator"}, {"set_permissions", user, ".*", ".*", ".*"},
	} {
		_, err := o.exec("rabbitmq", append([]string{"rabbitmqctl", "-q"}, command...)...)
		o.must(err)
	}
	address, stop := o.forward("rabbitmq", 15672)
	defer stop()
	req, err := http.NewRequestWithContext(o.ctx, http.MethodPost, "http://"+address+"/api/exchanges/%2F/sx.dead/publish",
		strings.NewReader(`{"routing_key":"convert","payload":"{}","payload_encoding":"string","properties":{}}`))
	o.must(err)
	req.SetBasicAuth(user, user)
	res, err := (&http.Client{Timeout: time.Minute}).Do(req)
	o.must(err)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		o.t.Fatalf("publish the message: %s", res.Status)
	}
	_, err = o.exec("rabbitmq", "rabbitmqctl", "-q", "delete_user", user)
	o.must(err)
}
