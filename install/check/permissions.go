package check

import (
	"context"
	"slices"
	"strings"
	"sync"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/server/sx"
)

// installerPermissions are what sx needs in the namespace besides the objects of the
// release: for its Secrets and Helm's, its lock, to watch the release, to reach its pods,
// to rotate passwords, to enlarge volumes and to remove the release. See also
// optionalPermissions.
var installerPermissions = []authorizationv1.ResourceAttributes{
	{Resource: "secrets", Verb: "get,list,watch,create,patch,update,delete"},
	{Group: "coordination.k8s.io", Resource: "leases", Verb: "get,create,update,delete"},
	{Resource: "pods", Verb: "get,list,watch,create,delete,deletecollection"},
	{Resource: "pods", Subresource: "log", Verb: "get"},
	{Resource: "pods", Subresource: "portforward", Verb: "create"},
	{Resource: "pods", Subresource: "exec", Verb: "create"},
	{Resource: "services", Verb: "get,list"},
	{Resource: "events", Verb: "list,watch"},
	{Resource: "persistentvolumeclaims", Verb: "get,list,watch,patch,delete"},
	{Group: "apps", Resource: "deployments", Verb: "get,list,watch,patch"},
	{Group: "apps", Resource: "statefulsets", Verb: "get,list,watch,patch"},
	{Group: "apps", Resource: "replicasets", Verb: "list,watch"},
}

// objectVerbs are what Helm needs for the objects of a release.
const objectVerbs = "get,list,create,update,patch,delete"

// maxConcurrent is the number of concurrent requests to the API server.
const maxConcurrent = 8

func permissions(ctx context.Context, env *Env) error {
	required, unknown, err := env.requiredPermissions()
	if err != nil {
		return err
	}
	if len(unknown) > 0 {
		return sx.NewError(sx.CodeInvalid, "unknown to the cluster: %s", strings.Join(unknown, ", ")).
			WithHint("install the add-ons that define these kinds, or disable the parts that need them in the values")
	}
	missing, err := review(ctx, env, required)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return sx.NewError(sx.CodeForbidden, "missing permissions: %s", strings.Join(missing, "; "))
	}
	return nil
}

// requiredPermissions lists what sx needs for the release, in its namespace unless the
// Namespace is "*", and the kinds that the cluster does not know.
func (env *Env) requiredPermissions() (required []authorizationv1.ResourceAttributes, unknown []string, err error) {
	objects, err := env.objects()
	if err != nil {
		return nil, nil, err
	}
	required = slices.Clone(installerPermissions)
	for _, kind := range objects.kinds {
		mapping, err := env.Cluster.Mapper.RESTMapping(kind.GroupKind(), kind.Version)
		switch {
		case meta.IsNoMatchError(err):
			unknown = append(unknown, kind.Kind+" ("+kind.GroupVersion().String()+")")
			continue
		case err != nil:
			return nil, nil, env.Cluster.WrapError(err)
		}
		a := authorizationv1.ResourceAttributes{Group: mapping.Resource.Group, Resource: mapping.Resource.Resource, Verb: objectVerbs}
		if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
			a.Namespace = "*"
		}
		required = append(required, a)
	}
	return required, unknown, nil
}

// review checks each verb of each resource and lists those that are denied, such as
// "create, delete deployments.apps".
func review(ctx context.Context, env *Env, required []authorizationv1.ResourceAttributes) ([]string, error) {
	denied := make([][]string, len(required))
	errs := make([]error, len(required))
	slots := make(chan struct{}, maxConcurrent)
	var wg sync.WaitGroup
	for i, a := range required {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			denied[i], errs[i] = deniedVerbs(ctx, env, a)
		})
	}
	wg.Wait()
	var missing []string
	for i, a := range required {
		if errs[i] != nil {
			return nil, errs[i]
		}
		if len(denied[i]) == 0 {
			continue
		}
		name := a.Resource
		if a.Subresource != "" {
			name += "/" + a.Subresource
		}
		if a.Group != "" {
			name += "." + a.Group
		}
		if line := strings.Join(denied[i], ", ") + " " + name; !slices.Contains(missing, line) {
			missing = append(missing, line)
		}
	}
	return missing, nil
}

func deniedVerbs(ctx context.Context, env *Env, a authorizationv1.ResourceAttributes) ([]string, error) {
	verbs := strings.Split(a.Verb, ",")
	if a.Namespace == "*" {
		a.Namespace = "" // of the whole cluster
	} else {
		a.Namespace = env.Cluster.Namespace
	}
	var denied []string
	for _, a.Verb = range verbs {
		answer, err := env.Cluster.Client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
			Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: a.DeepCopy()},
		}, metav1.CreateOptions{})
		if err != nil {
			return nil, err
		}
		if !answer.Status.Allowed {
			denied = append(denied, a.Verb)
		}
	}
	return denied, nil
}
