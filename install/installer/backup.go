package installer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/install/secrets"
	"github.com/soundextract/sx/install/values"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/backup"
	"github.com/soundextract/sx/server/sx"
)

// OpenBackup returns an unencrypted backup of the installation. A separate pod reads
// MongoDB, so that a backup depends on no service.
func (in *Installer) OpenBackup(ctx context.Context) (io.ReadCloser, error) {
	files, err := in.backupFiles(ctx)
	if err != nil {
		return nil, err
	}
	pod, err := in.startBackupPod(ctx)
	if err != nil {
		return nil, err
	}
	res, err := pod.request(ctx, http.MethodGet, api.PathBackup, http.NoBody) //nolint:bodyclose // openBackup closes it
	if err != nil {
		return nil, errors.Join(err, pod.delete(ctx))
	}
	out, from := io.Pipe()
	go func() {
		err := backup.AddFiles(from, res.Body, files)
		if sx.CodeOf(err) == sx.CodeBackupDamaged {
			err = sx.NewError(sx.CodeUnavailable, "the pod %s ended the backup before it was complete%s", pod.name, pod.log(ctx)).
				WithCause(err).WithHint("create the backup again; see what happened with: %s", in.Cluster.SX(in.Release, "status"))
		}
		_ = from.CloseWithError(err) // always nil
	}()
	return &openBackup{PipeReader: out, body: res.Body, delete: func() error { return pod.delete(ctx) }}, nil
}

// openBackup deletes the pod when it is closed.
type openBackup struct {
	*io.PipeReader
	body   io.Closer
	delete func() error
}

func (b *openBackup) Close() error {
	return errors.Join(b.PipeReader.Close(), b.body.Close(), b.delete())
}

// backupFiles returns the signing keys, and the values that the next install would keep. An
// installation that Argo CD or Flux manages has its values there.
func (in *Installer) backupFiles(ctx context.Context) ([]backup.File, error) {
	deployed, err := in.Deployed(ctx)
	if err != nil {
		return nil, err
	}
	if deployed == nil {
		return nil, in.NotInstalled()
	}
	var files []backup.File
	if deployed.Revision > 0 {
		good, err := in.newestGood(ctx, deployed)
		if err != nil {
			return nil, err
		}
		k, err := in.kept(ctx, good)
		if err != nil {
			return nil, err
		}
		if k != nil {
			text, err := yaml.Marshal(values.WithoutOwn(k.Values))
			if err != nil {
				return nil, fmt.Errorf("encode the values: %w", err)
			}
			files = append(files, backup.File{Kind: backup.Values, Name: "values.yaml", Data: text})
		}
	}
	secret, err := in.Cluster.Client.CoreV1().Secrets(in.Cluster.Namespace).Get(ctx, in.secrets().Name(secrets.AuthKeys), metav1.GetOptions{})
	if err != nil {
		return nil, in.Cluster.WrapError(fmt.Errorf("read the signing keys: %w", err))
	}
	for name, data := range secret.Data {
		files = append(files, backup.File{Kind: backup.Secrets, Name: backup.AuthKeys + "/" + name, Data: data})
	}
	return files, nil
}

// RestoreBackup restores an unencrypted backup into the installation, which must be
// empty. The services are stopped meanwhile, and start with the backup's signing keys, except
// those that were scaled to 0 before. After an error they remain stopped if something was
// restored. Of an installation that another tool manages, all must be stopped before, because
// that tool would start them during the restore.
func (in *Installer) RestoreBackup(ctx context.Context, from io.Reader, timeout time.Duration) (s backup.Summary, err error) {
	last, err := in.Runner.Last(ctx)
	if err != nil {
		return s, err
	}
	managed := in.refuseManaged(ctx, last != nil, "pause that tool, stop the services with: "+
		in.Cluster.Kubectl("scale", "deployment", "--replicas=0", "-l", "app.kubernetes.io/instance="+in.Release)+
		", and run the same command again; the tool starts them once you resume it")
	switch {
	case managed != nil:
		if stopped, err := in.servicesStopped(ctx); err != nil || !stopped {
			return s, cmp.Or(err, managed)
		}
	case last == nil:
		return s, sx.AsError(in.NotInstalled()).
			WithHint("install it first, with the values of the backup: %s > values.yaml, then %s", nextcmd.Line("sx", "backup", "settings", "FILE"), in.Cluster.SX(in.Release, "install", "-f", "values.yaml"))
	}
	err = in.operation(ctx, func(ctx context.Context) error {
		var replicas map[string]int32
		s, replicas, err = in.restoreBackup(ctx, from)
		if err != nil {
			return err
		}
		maps.DeleteFunc(replicas, func(_ string, n int32) bool { return n > 0 })
		return in.ready(ctx, timeout, slices.Collect(maps.Keys(replicas))...)
	})
	return s, err
}

// restoreBackup returns what was restored, and how many replicas the services have.
func (in *Installer) restoreBackup(ctx context.Context, from io.Reader) (s backup.Summary, replicas map[string]int32, err error) {
	var pod *backupPod
	if err := in.step("start the pod that restores", func() (string, error) {
		if pod, err = in.startBackupPod(ctx); err != nil {
			return "", err
		}
		if err := pod.empty(ctx); err != nil {
			return "", errors.Join(err, pod.delete(ctx))
		}
		return pod.name, nil
	}); err != nil {
		return s, nil, err
	}
	return in.restoreThrough(ctx, pod, from)
}

// restoreThrough restores with a pod, which it deletes.
func (in *Installer) restoreThrough(ctx context.Context, pod *backupPod, from io.Reader) (s backup.Summary, replicas map[string]int32, err error) {
	defer func() { err = errors.Join(err, pod.delete(context.WithoutCancel(ctx))) }()
	if err := in.step("stop the services", func() (string, error) {
		replicas, err = in.stopServices(ctx)
		return "", err
	}); err != nil {
		return s, replicas, in.notRestored(ctx, pod, replicas, err)
	}
	kept := &keptFiles{}
	if err := in.step("restore", func() (string, error) {
		s, err = pod.restore(ctx, from, kept)
		return fmt.Sprintf("%d jobs", s.Jobs), err
	}); err != nil {
		return s, replicas, in.notRestored(ctx, pod, replicas, err)
	}
	return s, replicas, in.step("start the services", func() (string, error) {
		if err := in.replaceKeys(ctx, kept.keys); err != nil {
			return "", err
		}
		if _, err := in.restart(ctx); err != nil {
			return "", err
		}
		return "", in.scale(ctx, replicas)
	})
}

// notRestored starts the services again if nothing was restored, for example because the
// file is not a backup.
func (in *Installer) notRestored(ctx context.Context, pod *backupPod, replicas map[string]int32, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deletionTimeout)
	defer cancel()
	if pod.empty(ctx) == nil && in.scale(ctx, replicas) == nil {
		return cause
	}
	return sx.AsError(cause).WithHint("%s; the services remain stopped, because a part of the backup may be stored: remove it with %s, install again and restore",
		sx.AsError(cause).Hint, in.Cluster.SX(in.Release, "uninstall", "--wipe-data"))
}

// keptFiles is a Visitor that keeps the signing keys.
type keptFiles struct {
	backup.Ignore
	keys map[string][]byte
}

// File implements backup.Visitor.
func (k *keptFiles) File(kind, name string, data []byte) error {
	if key, ok := strings.CutPrefix(name, backup.AuthKeys+"/"); ok && kind == backup.Secrets && strings.HasSuffix(key, ".pem") {
		if k.keys == nil {
			k.keys = map[string][]byte{}
		}
		k.keys[key] = bytes.Clone(data)
	}
	return nil
}

// replaceKeys stores the signing keys of a backup, so that access tokens and sessions of
// its accounts stay valid.
func (in *Installer) replaceKeys(ctx context.Context, keys map[string][]byte) error {
	if len(keys) == 0 {
		return nil
	}
	api := in.Cluster.Client.CoreV1().Secrets(in.Cluster.Namespace)
	secret, err := api.Get(ctx, in.secrets().Name(secrets.AuthKeys), metav1.GetOptions{})
	if err == nil {
		secret.Data = keys
		_, err = api.Update(ctx, secret, metav1.UpdateOptions{})
	}
	if err != nil {
		return in.Cluster.WrapError(fmt.Errorf("store the signing keys: %w", err))
	}
	return nil
}

// stopServices scales the services to 0, and returns how many replicas they had, also if it
// fails.
func (in *Installer) stopServices(ctx context.Context) (map[string]int32, error) {
	list, err := in.Cluster.Client.AppsV1().Deployments(in.Cluster.Namespace).List(ctx, in.selector())
	if err != nil {
		return nil, in.Cluster.WrapError(err)
	}
	had, none := map[string]int32{}, map[string]int32{}
	for _, d := range list.Items {
		had[d.Name], none[d.Name] = 1, 0
		if d.Spec.Replicas != nil {
			had[d.Name] = *d.Spec.Replicas
		}
	}
	if err := in.scale(ctx, none); err != nil {
		return had, err
	}
	services := in.selector()
	services.LabelSelector += ",app.kubernetes.io/component in (" + strings.Join(sx.Services(), ",") + ")"
	return had, in.waitUntil(ctx, func() (bool, error) {
		pods, err := in.Cluster.Client.CoreV1().Pods(in.Cluster.Namespace).List(ctx, services)
		return err == nil && len(pods.Items) == 0, err
	})
}

// servicesStopped reports whether all services are scaled to 0.
func (in *Installer) servicesStopped(ctx context.Context) (bool, error) {
	list, err := in.Cluster.Client.AppsV1().Deployments(in.Cluster.Namespace).List(ctx, in.selector())
	if err != nil {
		return false, in.Cluster.WrapError(err)
	}
	return !slices.ContainsFunc(list.Items, func(d appsv1.Deployment) bool { return d.Spec.Replicas == nil || *d.Spec.Replicas > 0 }), nil
}

func (in *Installer) scale(ctx context.Context, replicas map[string]int32) error {
	for name, n := range replicas {
		patch, err := json.Marshal(map[string]any{"spec": map[string]any{"replicas": n}})
		if err != nil {
			return fmt.Errorf("encode the number of replicas: %w", err)
		}
		_, err = in.Cluster.Client.AppsV1().Deployments(in.Cluster.Namespace).
			Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
		if err != nil {
			return in.Cluster.WrapError(fmt.Errorf("scale %s: %w", name, err))
		}
	}
	return nil
}

// backupPod is the pod that reads or writes MongoDB.
type backupPod struct {
	in     *Installer
	name   string
	client *client.Client
}

// request sends a request to the pod.
func (p *backupPod) request(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := p.client.NewRequest(ctx, method, path, nil, body)
	if err != nil {
		return nil, err
	}
	return p.client.Do(req)
}

// empty returns the error of a store that is not empty.
func (p *backupPod) empty(ctx context.Context) error {
	res, err := p.request(ctx, http.MethodGet, api.PathBackupEmpty, http.NoBody)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// restore sends the backup to the pod, and has v visit its contents on the way.
func (p *backupPod) restore(ctx context.Context, from io.Reader, v backup.Visitor) (backup.Summary, error) {
	out, in := io.Pipe()
	type visited struct {
		summary backup.Summary
		err     error
	}
	done := make(chan visited, 1)
	go func() {
		r, err := backup.NewReader(io.TeeReader(from, in))
		var s backup.Summary
		if err == nil {
			s, err = r.Visit(v)
		}
		_ = in.CloseWithError(err) // always nil; without an error the body ends
		done <- visited{s, err}
	}()
	res, err := p.request(ctx, http.MethodPost, api.PathBackup, out)
	_ = out.CloseWithError(io.ErrClosedPipe) // ends a reader that still writes
	read := <-done
	switch {
	case read.err != nil && !errors.Is(read.err, io.ErrClosedPipe):
		return read.summary, read.err
	case err != nil:
		return read.summary, err
	}
	return read.summary, res.Body.Close()
}

func (p *backupPod) delete(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deletionTimeout)
	defer cancel()
	now := int64(0)
	err := p.in.Cluster.Client.CoreV1().Pods(p.in.Cluster.Namespace).Delete(ctx, p.name, metav1.DeleteOptions{GracePeriodSeconds: &now})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return p.in.Cluster.WrapError(err)
}

// log returns the end of the pod's log, for an error.
func (p *backupPod) log(ctx context.Context) string {
	lines, limit := int64(1), int64(1000)
	raw, err := p.in.Cluster.Client.CoreV1().Pods(p.in.Cluster.Namespace).
		GetLogs(p.name, &corev1.PodLogOptions{TailLines: &lines, LimitBytes: &limit}).DoRaw(context.WithoutCancel(ctx))
	if err != nil || len(raw) == 0 {
		return ""
	}
	return "; its log ends with: " + sx.CleanLine(string(raw), sx.MaxErrorText/2)
}
