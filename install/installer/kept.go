package installer

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/install/chart"
	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/install/secrets"
	"github.com/soundextract/sx/install/values"
	"github.com/soundextract/sx/server/sx"
)

// kept are the values that the next install keeps: those of the newest revision that
// became ready.
type kept struct {
	Revision int            `json:"revision"` // 0: of an installation that was removed
	Version  string         `json:"version"`  // of SoundExtract
	Values   map[string]any `json:"values"`
	Sources  values.Sources `json:"sources"`
}

// worked reports whether a revision became ready, or was installed without waiting for
// that.
func worked(r release.Info) bool {
	return r.Status == release.Deployed || r.Status == release.Superseded
}

// newestGood returns the newest revision that worked, or nil.
func (in *Installer) newestGood(ctx context.Context, last *release.Info) (*release.Info, error) {
	if last == nil || worked(*last) {
		return last, nil
	}
	history, err := in.Runner.History(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range history {
		if worked(r) {
			return &r, nil
		}
	}
	return nil, nil //nolint:nilnil // none has worked yet
}

// kept returns the values to keep: of the newest revision that worked or, if there is none,
// those that are stored with the data. nil means that there are none.
func (in *Installer) kept(ctx context.Context, good *release.Info) (*kept, error) {
	if good != nil {
		return &kept{Revision: good.Revision, Version: good.Version, Values: good.Values, Sources: sourcesOf(*good)}, nil
	}
	stored, err := in.storedValues(ctx)
	if stored != nil {
		stored.Revision = 0
		for name, s := range stored.Sources {
			s.Revision = 0
			stored.Sources[name] = s
		}
	}
	return stored, err
}

// The notes that sx stores with a revision.
const (
	noteAuthor  = "soundextract.io/author"
	noteSources = "soundextract.io/sources" // values.Sources in JSON
)

func sourcesOf(r release.Info) values.Sources {
	sources := values.Sources{}
	if json.Unmarshal([]byte(r.Notes[noteSources]), &sources) != nil {
		return values.Sources{} // Helm's own, or somebody has changed them
	}
	return sources
}

// valuesSecret is the name of the Secret with the values of the newest revision that
// worked. Like the other Secrets it outlives the release, together with the data.
func (in *Installer) valuesSecret() string { return in.Release + "-values" }

const keyValues = "values.json"

// storedValues reads the Secret; without it, it returns nil.
func (in *Installer) storedValues(ctx context.Context) (*kept, error) {
	secret, err := in.Cluster.Client.CoreV1().Secrets(in.Cluster.Namespace).Get(ctx, in.valuesSecret(), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil //nolint:nilnil // nothing is kept
	case err != nil:
		return nil, in.Cluster.WrapError(fmt.Errorf("read the Secret %s: %w", in.valuesSecret(), err))
	}
	k := &kept{}
	if err := json.Unmarshal(secret.Data[keyValues], k); err != nil {
		return nil, sx.NewError(sx.CodeInvalid, "the Secret %s with the values of earlier installs cannot be read: %v", secret.Name, err).
			WithHint("delete it, and install again with all values: %s", in.Cluster.Kubectl("delete", "secret", secret.Name)).WithCause(err)
	}
	return k, nil
}

// keepValues stores the values of a revision that worked.
func (in *Installer) keepValues(ctx context.Context, r release.Info) error {
	data, err := json.Marshal(kept{Revision: r.Revision, Version: r.Version, Values: values.WithoutOwn(r.Values), Sources: sourcesOf(r)})
	if err != nil {
		return fmt.Errorf("encode the values: %w", err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: in.valuesSecret(), Namespace: in.Cluster.Namespace, Labels: map[string]string{
			"app.kubernetes.io/name": "soundextract", "app.kubernetes.io/instance": in.Release,
			labelComponent: "values", labelManagedBy: secrets.ManagedBy,
		}},
		Data: map[string][]byte{keyValues: data},
	}
	api := in.Cluster.Client.CoreV1().Secrets(in.Cluster.Namespace)
	_, err = api.Update(ctx, secret, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		_, err = api.Create(ctx, secret, metav1.CreateOptions{})
	}
	if err != nil {
		return in.Cluster.WrapError(fmt.Errorf("store the values: %w", err))
	}
	return nil
}

func (in *Installer) deleteValues(ctx context.Context) error {
	err := in.Cluster.Client.CoreV1().Secrets(in.Cluster.Namespace).Delete(ctx, in.valuesSecret(), metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return in.Cluster.WrapError(err)
}

// Value is a value that is in force.
type Value struct {
	Name  string `json:"name"`
	Value any    `json:"value"` // a secret is masked
	// Source is default, or that of the install that set the value; it is empty for a
	// value that Helm set.
	Source values.Source `json:"source"`
}

// SourceDefault is the source of the chart's own values.
const SourceDefault = "default"

// Values lists the values that are in force, and that the next install keeps, by name.
// They include the chart's defaults.
func (in *Installer) Values(ctx context.Context) ([]Value, error) {
	last, err := in.Runner.Last(ctx)
	if err != nil {
		return nil, err
	}
	good, err := in.newestGood(ctx, last)
	if err != nil {
		return nil, err
	}
	k, err := in.kept(ctx, good)
	if err != nil {
		return nil, err
	}
	if k == nil {
		return nil, in.noRelease(ctx, "its values are there")
	}
	set := values.Leaves(values.WithoutOwn(k.Values))
	all := map[string]Value{}
	for name, value := range values.Leaves(chart.Defaults()) {
		if !values.IsOwn(name) {
			all[name] = Value{Name: name, Value: values.Mask(name, value), Source: values.Source{From: SourceDefault}}
		}
	}
	for name, value := range set {
		all[name] = Value{Name: name, Value: values.Mask(name, value), Source: k.Sources[name]}
	}
	list := make([]Value, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, all[name])
	}
	return list, nil
}
