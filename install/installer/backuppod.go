package installer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/install/forward"
	"github.com/soundextract/sx/install/secrets"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

// backupComponent is the component of the pods that create and restore backups.
const backupComponent = "backup"

// backupStart bounds the start of the pod, which may have to pull the image.
const backupStart = 3 * time.Minute

// startBackupPod starts a pod and waits until it has reached MongoDB.
func (in *Installer) startBackupPod(ctx context.Context) (*backupPod, error) {
	gateway, err := in.Cluster.Client.AppsV1().Deployments(in.Cluster.Namespace).Get(ctx, in.Release+"-gateway", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, in.NotInstalled()
	}
	if err != nil {
		return nil, in.Cluster.WrapError(err)
	}
	spec, err := in.backupPodOf(ctx, gateway)
	if err != nil {
		return nil, err
	}
	created, err := in.Cluster.Client.CoreV1().Pods(in.Cluster.Namespace).Create(ctx, spec, metav1.CreateOptions{})
	if err != nil {
		return nil, in.Cluster.WrapError(fmt.Errorf("create the pod for the backup: %w", err))
	}
	pod := &backupPod{in: in, name: created.Name}
	transport := &http.Transport{DialContext: forward.ToPod(in.Cluster, created.Name, api.BackupPort), DisableKeepAlives: true}
	pod.client, err = client.New("http://"+created.Name, &http.Client{Transport: transport})
	if err == nil {
		err = pod.wait(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, pod.delete(ctx))
	}
	return pod, nil
}

// wait waits until the pod's program has connected to MongoDB.
func (p *backupPod) wait(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, backupStart)
	defer cancel()
	var last error
	for {
		pod, err := p.in.Cluster.Client.CoreV1().Pods(p.in.Cluster.Namespace).Get(waiting, p.name, metav1.GetOptions{})
		switch {
		case err != nil && waiting.Err() == nil:
			return p.in.Cluster.WrapError(err)
		case err == nil && pod.Status.Phase == corev1.PodRunning:
			if _, last = p.client.Ready(waiting); last == nil {
				return nil
			}
		case err == nil && (pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded):
			return sx.NewError(sx.CodeUnavailable, "the pod %s for the backup failed%s", p.name, p.log(ctx)).
				WithHint("see the state of the installation with: %s", p.in.Cluster.SX(p.in.Release, "status"))
		case err == nil:
			last = errors.New(pendingReason(pod))
		}
		if backoff.Sleep(waiting, pollInterval) != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return sx.NewError(sx.CodeUnavailable, "the pod %s for the backup is not ready after %s: %v%s", p.name, backupStart, last, p.log(ctx)).
				WithHint("see the state of the installation with: %s", p.in.Cluster.SX(p.in.Release, "status"))
		}
	}
}

// pendingReason says why a pod is not running yet.
func pendingReason(pod *corev1.Pod) string {
	for _, c := range pod.Status.ContainerStatuses {
		if c.State.Waiting != nil {
			return strings.TrimSpace(c.State.Waiting.Reason + " " + c.State.Waiting.Message)
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c.Message
		}
	}
	return "it has not started"
}

// backupPodOf turns the gateway's pod template into a pod that creates or restores a
// backup: with the same image, account, tolerations and certificates, but with MongoDB's
// root user, because no service may read everything.
func (in *Installer) backupPodOf(ctx context.Context, gateway *appsv1.Deployment) (*corev1.Pod, error) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: in.Release + "-" + backupComponent + "-", Namespace: in.Cluster.Namespace,
			Labels: map[string]string{}, Annotations: gateway.Spec.Template.Annotations,
		},
		Spec: *gateway.Spec.Template.Spec.DeepCopy(),
	}
	maps.Copy(pod.Labels, gateway.Spec.Template.Labels)
	pod.Labels[labelComponent] = backupComponent
	pod.Labels["app.kubernetes.io/managed-by"] = secrets.ManagedBy
	if len(pod.Spec.Containers) == 0 {
		return nil, sx.NewError(sx.CodeInvalid, "the Deployment %s has no container", gateway.Name).
			WithHint("repair it with: %s", in.Cluster.SX(in.Release, "install"))
	}
	grace := int64(5)
	pod.Spec.RestartPolicy, pod.Spec.TerminationGracePeriodSeconds = corev1.RestartPolicyNever, &grace
	pod.Spec.TopologySpreadConstraints, pod.Spec.Affinity = nil, nil // those of the gateway
	c := &pod.Spec.Containers[0]
	for i := range pod.Spec.Containers {
		if pod.Spec.Containers[i].Name == "gateway" {
			c = &pod.Spec.Containers[i]
		}
	}
	c.Name = backupComponent
	c.Args = []string{"backup", "serve", "--addr=127.0.0.1:" + strconv.Itoa(api.BackupPort)}
	c.Ports, c.Lifecycle, c.StartupProbe, c.LivenessProbe, c.ReadinessProbe = nil, nil, nil, nil, nil
	env := c.Env[:0:0]
	for _, e := range c.Env {
		switch {
		case e.Name == "SX_ADDR", e.Name == "SX_METRICS_ADDR", e.Name == "SX_TLS_CERT", e.Name == "SX_TLS_KEY":
			continue // it listens on the loopback address, for the port-forward
		case strings.HasPrefix(e.Name, "SX_") && !strings.HasPrefix(e.Name, "SX_MONGODB_") && e.Name != "SX_TLS_CA" && e.Name != "SX_LOG_LEVEL":
			continue // a setting of the gateway
		}
		env = append(env, e)
	}
	c.Env = env
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		if v.Name != "mongodb" || v.Secret == nil {
			continue
		}
		for k := range v.Secret.Items {
			item := &v.Secret.Items[k]
			switch item.Key {
			case secrets.UsernameKey("gateway"):
				item.Key = "username"
			case secrets.PasswordKey("gateway"):
				item.Key = "password"
			case "gateway-uri": // an external MongoDB with one user for each service
				item.Key = backupComponent + "-uri"
				if err := in.hasKey(ctx, v.Secret.SecretName, item.Key); err != nil {
					return nil, err
				}
			}
		}
	}
	return pod, nil
}

// hasKey checks that the operator's Secret has a key.
func (in *Installer) hasKey(ctx context.Context, name, key string) error {
	secret, err := in.Cluster.Client.CoreV1().Secrets(in.Cluster.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return in.Cluster.WrapError(err)
	}
	if len(secret.Data[key]) == 0 {
		return sx.NewError(sx.CodeInvalid, "the Secret %s has no key %s", name, key).
			WithHint("add it, with the URI of a user who may read and write the whole database, then run the same command again")
	}
	return nil
}
