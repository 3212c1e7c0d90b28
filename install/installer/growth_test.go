package installer_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// TestGrowth checks that a volume grows where its StorageClass allows it, that of an
// uninstalled release too, and that an install which could not enlarge it is refused.
func TestGrowth(t *testing.T) {
	t.Parallel()
	yes := true
	size := func(q string) corev1.VolumeResourceRequirements {
		return corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{"storage": resource.MustParse(q)}}
	}
	claim := func(class string, phase corev1.PersistentVolumeClaimPhase) *corev1.PersistentVolumeClaim {
		return &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Name: "data-soundextract-mongodb-0", Namespace: namespace},
			Spec:       corev1.PersistentVolumeClaimSpec{StorageClassName: &class, Resources: size("8Gi")},
			Status:     corev1.PersistentVolumeClaimStatus{Phase: phase},
		}
	}
	set := func(q string) *appsv1.StatefulSet {
		s := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "soundextract-mongodb", Namespace: namespace, UID: "set"}}
		s.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "data"}, Spec: corev1.PersistentVolumeClaimSpec{Resources: size(q)}}}
		return s
	}
	elastic := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "elastic"}, AllowVolumeExpansion: &yes}
	kept := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "soundextract-mongodb", Namespace: namespace}}
	for name, tt := range map[string]struct {
		there   []runtime.Object
		size    string // what the values ask for
		refusal string
		want    string // the size of the claim afterwards
		gone    bool   // the StatefulSet was deleted, to be created again
	}{
		"running":              {[]runtime.Object{claim("elastic", corev1.ClaimBound), set("8Gi"), elastic}, "20Gi", "", "20Gi", true},
		"kept":                 {[]runtime.Object{claim("elastic", corev1.ClaimBound), elastic}, "20Gi", "", "20Gi", false},
		"enlarged by hand":     {[]runtime.Object{claim("elastic", corev1.ClaimBound), set("4Gi"), elastic}, "8Gi", "", "8Gi", true},
		"the same":             {[]runtime.Object{claim("disk", corev1.ClaimBound), set("8Gi")}, "8Gi", "", "8Gi", false},
		"kept, smaller":        {[]runtime.Object{claim("disk", corev1.ClaimBound)}, "4Gi", "", "8Gi", false},
		"smaller":              {[]runtime.Object{claim("elastic", corev1.ClaimBound), set("8Gi"), elastic}, "4Gi", "have 8Gi and cannot shrink to 4Gi", "8Gi", false},
		"a rigid class":        {[]runtime.Object{claim("disk", corev1.ClaimBound), set("8Gi")}, "20Gi", "cannot grow from 8Gi to 20Gi: its StorageClass disk does not allow it", "8Gi", false},
		"kept, a rigid class":  {[]runtime.Object{claim("disk", corev1.ClaimBound)}, "20Gi", "cannot grow from 8Gi to 20Gi: its StorageClass disk does not allow it", "8Gi", false},
		"no such class":        {[]runtime.Object{claim("gone", corev1.ClaimBound)}, "20Gi", "its StorageClass gone does not exist", "8Gi", false},
		"never bound to a one": {[]runtime.Object{claim("elastic", corev1.ClaimPending), elastic}, "20Gi", "is not bound to a volume", "8Gi", false},
	} {
		l := newFixture(t, nil, append(tt.there, kept)...)
		_, err := l.Install(t.Context(), options("mongodb.persistence.size="+tt.size))
		if (err != nil) != (tt.refusal != "") || err != nil && !strings.Contains(err.Error(), tt.refusal) {
			t.Errorf("%s: got %v, want %q", name, err, tt.refusal)
		}
		announced := slices.Contains(l.warnings(), "the volume data-soundextract-mongodb-0 will grow from 8Gi to "+tt.size+" and cannot shrink again")
		if grows := tt.want != "8Gi"; announced != grows {
			t.Errorf("%s: the warnings are %q", name, l.warnings())
		}
		c, err := l.client.CoreV1().PersistentVolumeClaims(namespace).Get(t.Context(), "data-soundextract-mongodb-0", metav1.GetOptions{})
		if err != nil || c.Spec.Resources.Requests.Storage().String() != tt.want {
			t.Errorf("%s: the claim has %v, %v, want %s", name, c.Spec.Resources.Requests, err, tt.want)
		}
		_, err = l.client.AppsV1().StatefulSets(namespace).Get(t.Context(), "soundextract-mongodb", metav1.GetOptions{})
		if had := slices.ContainsFunc(tt.there, isSet); had && apierrors.IsNotFound(err) != tt.gone {
			t.Errorf("%s: the StatefulSet: %v", name, err)
		}
	}
}

// TestRollbackOfGrowth checks that a rollback to a revision with smaller volumes says that
// they keep their size, and that one to larger volumes enlarges them or is refused.
func TestRollbackOfGrowth(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before, after string // the sizes of the two revisions
		has           string // the size of the claim
		elastic       bool
		warning       string
		refusal       string
		want          string
	}{
		"grown":         {"8Gi", "20Gi", "20Gi", true, "the volumes of mongodb keep their size of 20Gi: they cannot shrink to 8Gi", "", "20Gi"},
		"larger":        {"20Gi", "8Gi", "8Gi", true, "the volume data-soundextract-mongodb-0 will grow from 8Gi to 20Gi and cannot shrink again", "", "20Gi"},
		"larger, rigid": {"20Gi", "8Gi", "8Gi", false, "", "cannot grow from 8Gi to 20Gi: its StorageClass class does not allow it", "8Gi"},
	} {
		class, claim := "class", corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data-soundextract-mongodb-0", Namespace: namespace}}
		claim.Spec.StorageClassName, claim.Status.Phase = &class, corev1.ClaimBound
		claim.Spec.Resources.Requests = corev1.ResourceList{"storage": resource.MustParse(tt.has)}
		l := newFixture(t, nil, &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: class}, AllowVolumeExpansion: &tt.elastic})
		for _, size := range []string{tt.before, tt.after} {
			if _, err := l.Install(t.Context(), options("mongodb.persistence.size="+size)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "soundextract-mongodb", Namespace: namespace, UID: "set"}}
		set.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "data"}}}
		set.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests = corev1.ResourceList{"storage": resource.MustParse(tt.after)}
		if err := errors.Join(l.client.Tracker().Add(set), l.client.Tracker().Add(&claim)); err != nil {
			t.Fatal(err)
		}
		_, err := l.Rollback(t.Context(), 1, false, 0)
		if (err != nil) != (tt.refusal != "") || err != nil && !strings.Contains(err.Error(), tt.refusal) {
			t.Errorf("%s: got %v, want %q", name, err, tt.refusal)
		}
		if tt.warning != "" && !slices.Contains(l.warnings(), tt.warning) {
			t.Errorf("%s: the warnings are %q", name, l.warnings())
		}
		c, err := l.client.CoreV1().PersistentVolumeClaims(namespace).Get(t.Context(), claim.Name, metav1.GetOptions{})
		if err != nil || c.Spec.Resources.Requests.Storage().String() != tt.want {
			t.Errorf("%s: the claim has %v, %v, want %s", name, c.Spec.Resources.Requests, err, tt.want)
		}
	}
}

func isSet(o runtime.Object) bool {
	_, is := o.(*appsv1.StatefulSet)
	return is
}
