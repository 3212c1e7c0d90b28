package installer

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
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
			err = in.Cluster.WrapError(fmt.Errorf("%s: %w", manifest.Name(o), err))
			if sx.CodeOf(err) == sx.CodeInternal { // neither unavailable nor forbidden: the cluster refuses the object
				err = sx.NewError(sx.CodeInvalid, "rejected by the cluster: %v", err).
					WithHint("correct the values that the object is rendered from").WithCause(err)
			}
			refused = append(refused, err)
		}
	}
	return errors.Join(refused...)
}

func (in *Installer) dryApply(ctx context.Context, o *unstructured.Unstructured) error {
	kind := o.GroupVersionKind()
	mapping, err := in.Cluster.Mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	options := metav1.ApplyOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: "sx", Force: true}
	resource := in.Cluster.Dynamic.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		_, err = resource.Namespace(in.Cluster.Namespace).Apply(ctx, o.GetName(), o, options)
	} else {
		_, err = resource.Apply(ctx, o.GetName(), o, options)
	}
	return err
}
