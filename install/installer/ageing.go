package installer

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soundextract/sx/install/manifest"
	"github.com/soundextract/sx/install/support"
	"github.com/soundextract/sx/server/sx"
)

// annotationData is the annotation with the series of the data on a volume claim of
// MongoDB or RabbitMQ: that of the program that last used them, to which MongoDB's
// feature compatibility version or RabbitMQ's feature flags were raised.
const annotationData = "soundextract.io/data-version"

// upgrade is the change of MongoDB or RabbitMQ to another series.
type upgrade struct {
	product  support.Product
	set      string // the StatefulSet
	from, to string // series
	steps    []support.Series
	image    string // the one that runs, without the tag and the digest; "" if none does
	suffix   string // of the image's tag, such as -management
}

// upgrades lists the parts that a manifest would run with another series than that of
// their data. It refuses data that are newer than the program, and an upgrade path with
// an impossible step.
func (in *Installer) upgrades(ctx context.Context, text string) ([]upgrade, error) {
	objects, err := manifest.Parse(text)
	if err != nil {
		return nil, err
	}
	var all []upgrade
	for _, o := range objects {
		product := support.Product(strings.TrimPrefix(o.GetName(), in.Release+"-"))
		if o.GetKind() != "StatefulSet" || len(support.All(product)) == 0 {
			continue
		}
		var desired appsv1.StatefulSet
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &desired); err != nil {
			return nil, fmt.Errorf("read %s: %w", manifest.Name(o), err)
		}
		u, err := in.upgrade(ctx, product, &desired)
		if err != nil {
			return nil, err
		}
		if u != nil {
			all = append(all, *u)
		}
	}
	return all, nil
}

// upgrade returns nil if the series stays the same, or is not known.
func (in *Installer) upgrade(ctx context.Context, product support.Product, desired *appsv1.StatefulSet) (*upgrade, error) {
	wanted := imageOf(desired.Spec.Template.Spec, product)
	tag := support.TagOf(wanted)
	u := &upgrade{product: product, set: desired.Name, to: support.SeriesOf(tag)}
	if u.to == "" {
		return nil, nil //nolint:nilnil // the tag says nothing
	}
	_, u.suffix, _ = strings.Cut(tag, "-")
	if u.suffix != "" {
		u.suffix = "-" + u.suffix
	}
	current := ""
	live, err := in.Cluster.Client.AppsV1().StatefulSets(in.Cluster.Namespace).Get(ctx, desired.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		live = nil
	case err != nil:
		return nil, in.Cluster.WrapError(err)
	default:
		current = imageOf(live.Spec.Template.Spec, product)
		u.image, _, _ = strings.Cut(current, "@")
		u.image = strings.TrimSuffix(u.image, ":"+support.TagOf(current))
	}
	if u.from, err = in.dataSeries(ctx, product, current); err != nil {
		return nil, err
	}
	if u.from == "" || u.from == u.to {
		return nil, nil //nolint:nilnil // the same, or new
	}
	if product == support.MongoDB && live != nil && live.Status.ReadyReplicas > 0 {
		if fcv, err := in.featureVersion(ctx); err == nil { // otherwise the annotation or the image counts
			u.from = fcv
		}
	}
	if u.from == u.to {
		return nil, nil //nolint:nilnil // it has been raised already
	}
	return u, in.checkUpgrade(u, live, wanted)
}

// checkUpgrade completes the steps of an upgrade, or says why it cannot be done.
func (in *Installer) checkUpgrade(u *upgrade, live *appsv1.StatefulSet, wanted string) error {
	part := string(u.product)
	tags := map[string]string{}
	for _, s := range support.All(u.product) {
		tags[s.Version] = s.Release + u.suffix
	}
	if support.Compare(u.from, u.to) > 0 {
		refusal := sx.NewError(sx.CodeConflict, "the data of %s has version %s, and %s %s cannot use it", part, u.from, u.product, u.to)
		if tags[u.from] == "" {
			return refusal.WithHint("keep version %s with: %s", u.from, in.set(part+".image.tag", "TAG"))
		}
		return refusal.WithHint("keep version %s with: %s", u.from, in.set(part+".image.tag", tags[u.from]))
	}
	var ok bool
	if u.steps, ok = support.Steps(u.product, u.from, u.to); !ok {
		return sx.NewError(sx.CodeConflict, "the data of %s has version %s, and no upgrade from there to %s is known", part, u.from, u.to).
			WithHint("keep version %s, whose image is set by %s.image.tag; docs/operations.md lists the versions", u.from, part)
	}
	if len(u.steps) < 2 {
		return nil
	}
	first := u.steps[0]
	switch {
	case live == nil || live.Status.ReadyReplicas == 0:
		return sx.NewError(sx.CodeConflict, "the data of %s has version %s, and %s does not run: it cannot be upgraded to %s, which is %d steps away", part, u.from, u.product, u.to, len(u.steps)).
			WithHint("install the next version first: %s", in.set(part+".image.tag", first.Release+u.suffix))
	case strings.Contains(wanted, "@"):
		return sx.NewError(sx.CodeConflict, "the data of %s has version %s, and %s.image.digest allows only %s, which is %d steps away", part, u.from, part, u.to, len(u.steps)).
			WithHint("install the intermediate versions with %s.image.tag and %s.image.digest, one after the other, beginning with %s", part, part, first.Release)
	}
	return nil
}

// dataSeries returns the series of the data of a part: what its claims say, or else that of
// the image that runs. It is "" if there are no data.
func (in *Installer) dataSeries(ctx context.Context, product support.Product, current string) (string, error) {
	claims, err := in.claimsOf(ctx, product)
	if apierrors.IsForbidden(err) {
		claims, err = nil, nil // the preflight reports it
	}
	if err != nil {
		return "", in.Cluster.WrapError(err)
	}
	newest := ""
	for _, c := range claims {
		if s := support.SeriesOf(c.Annotations[annotationData]); support.Compare(s, newest) > 0 {
			newest = s
		}
	}
	running := support.SeriesOf(support.TagOf(current))
	if newest == "" {
		return running, nil
	}
	if product == support.RabbitMQ && support.Compare(running, newest) > 0 { // RabbitMQ changes its data as soon as it starts
		ran, err := in.hasRun(ctx, product, running)
		if err != nil {
			return "", in.Cluster.WrapError(err)
		}
		if ran {
			newest = running
		}
	}
	return newest, nil
}

// hasRun reports whether a container of the part has run with this or a later series. If
// there are no pods, it assumes that one has.
func (in *Installer) hasRun(ctx context.Context, product support.Product, series string) (bool, error) {
	selector := in.selector()
	selector.LabelSelector += ",app.kubernetes.io/component=" + string(product)
	pods, err := in.Cluster.Client.CoreV1().Pods(in.Cluster.Namespace).List(ctx, selector)
	if err != nil {
		return false, err
	}
	for _, p := range pods.Items {
		started := slices.ContainsFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool {
			return s.Name == string(product) && s.ContainerID != ""
		})
		if started && support.Compare(support.SeriesOf(support.TagOf(imageOf(p.Spec, product))), series) >= 0 {
			return true, nil
		}
	}
	return len(pods.Items) == 0, nil
}

func (in *Installer) claimsOf(ctx context.Context, product support.Product) ([]corev1.PersistentVolumeClaim, error) {
	selector := in.selector()
	selector.LabelSelector += ",app.kubernetes.io/component=" + string(product)
	list, err := in.Cluster.Client.CoreV1().PersistentVolumeClaims(in.Cluster.Namespace).List(ctx, selector)
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// imageOf returns the image of the container that is named after the part.
func imageOf(pod corev1.PodSpec, product support.Product) string {
	for _, c := range pod.Containers {
		if c.Name == string(product) {
			return c.Image
		}
	}
	return ""
}

// describe says what an upgrade will do.
func (u upgrade) describe() string {
	names := []string{u.from}
	for _, s := range u.steps {
		names = append(names, s.Version)
	}
	text := fmt.Sprintf("%s is upgraded: %s", u.product, strings.Join(names, " → "))
	if len(u.steps) > 1 {
		text += fmt.Sprintf(", in %d steps with a restart each", len(u.steps))
	}
	return text
}

// takeSteps takes all steps of the upgrades but the last, which is the release itself. It
// records the version of the data first, because the image does not show it afterwards.
func (in *Installer) takeSteps(ctx context.Context, upgrades []upgrade, timeout time.Duration) error {
	for _, u := range upgrades {
		if err := in.annotateClaims(ctx, u.product, u.from); err != nil {
			return err
		}
		if len(u.steps) < 2 {
			continue
		}
		if u.product == support.RabbitMQ { // a step requires all feature flags of the one before
			if err := in.raise(ctx, u.product, u.from); err != nil {
				return err
			}
		}
		for _, s := range u.steps[:len(u.steps)-1] {
			image := u.image + ":" + s.Release + u.suffix
			err := in.step(fmt.Sprintf("upgrade %s to %s", u.product, s.Version), func() (string, error) {
				return image, in.setImage(ctx, u.set, image)
			})
			if err != nil {
				return err
			}
			if err := in.ready(ctx, timeout); err != nil {
				return err
			}
			if err := in.raise(ctx, u.product, s.Version); err != nil {
				return err
			}
		}
	}
	return nil
}

// setImage changes the image of all containers of a StatefulSet.
func (in *Installer) setImage(ctx context.Context, name, image string) error {
	sets := in.Cluster.Client.AppsV1().StatefulSets(in.Cluster.Namespace)
	live, err := sets.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return in.Cluster.WrapError(err)
	}
	type container struct {
		Name  string `json:"name"`
		Image string `json:"image"`
	}
	containers := func(all []corev1.Container) []container {
		var named []container
		for _, c := range all {
			named = append(named, container{c.Name, image})
		}
		return named
	}
	pod := live.Spec.Template.Spec
	spec := map[string]any{"containers": containers(pod.Containers)}
	if len(pod.InitContainers) > 0 {
		spec["initContainers"] = containers(pod.InitContainers)
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"spec": spec}}})
	if err != nil {
		return err
	}
	_, err = sets.Patch(ctx, name, types.StrategicMergePatchType, patch, metav1.PatchOptions{FieldManager: "sx"})
	return in.Cluster.WrapError(err)
}
