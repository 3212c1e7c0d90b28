package installer

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soundextract/sx/install/manifest"
	"github.com/soundextract/sx/server/sx"
)

// dryRun lets the API server validate and admit each object without storing it.
func (in *Installer) dryRun(ctx context.Context, text string) error {
	objects, err := manifest.Parse(text)
	if err != nil {
		return err
	}
	var refused []error
	for _, o := range objects {
		if err := in.dryApply(ctx, o); err != nil {
			refused = append(refused, in.refused(o, err))
		}
	}
	return errors.Join(refused...)
}

func (in *Installer) dryApply(ctx context.Context, o *unstructured.Unstructured) error {
	resource, err := in.resource(o)
	if err != nil {
		return err
	}
	_, err = resource.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: "sx", Force: true})
	return err
}

// refused is the error of a dry run of an object.
func (in *Installer) refused(o *unstructured.Unstructured, err error) error {
	err = in.Cluster.WrapError(fmt.Errorf("%s: %w", manifest.Name(o), err))
	if sx.CodeOf(err) == sx.CodeInternal { // neither unavailable nor forbidden: the cluster refuses the object
		return sx.NewError(sx.CodeInvalid, "rejected by the cluster: %v", err).
			WithHint("correct the values that the object is rendered from").WithCause(err)
	}
	return err
}
