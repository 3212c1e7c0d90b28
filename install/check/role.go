package check

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// roleName is the name of the objects of Role.
const roleName = "sx-installer"

// optionalPermissions are the cluster-wide permissions without which sx only skips some
// checks.
var optionalPermissions = []rbacv1.PolicyRule{
	{APIGroups: []string{""}, Resources: []string{"nodes", "pods"}, Verbs: []string{"list"}},
	{APIGroups: []string{"storage.k8s.io"}, Resources: []string{"storageclasses"}, Verbs: []string{"get", "list"}},
	{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"ingressclasses"}, Verbs: []string{"list"}},
	{APIGroups: []string{"gateway.networking.k8s.io"}, Resources: []string{"gateways"}, Verbs: []string{"get"}},
}

// Role returns, as YAML documents, the Role with every permission that sx needs in the
// release's namespace, a ClusterRole with the cluster-wide ones, and their bindings to
// the user of the kubeconfig. An administrator of the cluster can apply them.
func Role(ctx context.Context, env *Env) (string, error) {
	required, _, err := env.requiredPermissions()
	if err != nil {
		return "", err
	}
	inNamespace := []rbacv1.PolicyRule{
		// What doctor looks for, but an install does not need.
		{APIGroups: []string{""}, Resources: []string{"limitranges", "resourcequotas"}, Verbs: []string{"list"}},
		{APIGroups: []string{"batch"}, Resources: []string{"cronjobs"}, Verbs: []string{"list"}},
	}
	everywhere := slices.Clone(optionalPermissions)
	everywhere = append(everywhere, rbacv1.PolicyRule{
		APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{env.Cluster.Namespace}, Verbs: []string{"get", "delete"},
	})
	for _, a := range required {
		resource := a.Resource
		if a.Subresource != "" {
			resource += "/" + a.Subresource
		}
		rules := &inNamespace
		if a.Namespace == "*" {
			rules = &everywhere
		}
		addRule(rules, a.Group, resource, strings.Split(a.Verb, ","))
	}
	slices.SortFunc(inNamespace, func(a, b rbacv1.PolicyRule) int {
		return cmp.Or(cmp.Compare(a.APIGroups[0], b.APIGroups[0]), cmp.Compare(a.Resources[0], b.Resources[0]))
	})
	subjects := []rbacv1.Subject{env.user(ctx)}
	local := metav1.ObjectMeta{Name: roleName, Namespace: env.Cluster.Namespace}
	global := metav1.ObjectMeta{Name: roleName + "-" + env.Cluster.Namespace}
	ref := func(kind, name string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}
	}
	kind := func(name string) metav1.TypeMeta {
		return metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: name}
	}
	return documents(
		rbacv1.Role{TypeMeta: kind("Role"), ObjectMeta: local, Rules: inNamespace},
		rbacv1.RoleBinding{TypeMeta: kind("RoleBinding"), ObjectMeta: local, Subjects: subjects, RoleRef: ref("Role", local.Name)},
		rbacv1.ClusterRole{TypeMeta: kind("ClusterRole"), ObjectMeta: global, Rules: everywhere},
		rbacv1.ClusterRoleBinding{TypeMeta: kind("ClusterRoleBinding"), ObjectMeta: global, Subjects: subjects, RoleRef: ref("ClusterRole", global.Name)},
	)
}

// addRule adds verbs to the rule of a resource.
func addRule(rules *[]rbacv1.PolicyRule, group, resource string, verbs []string) {
	for i, r := range *rules {
		if r.APIGroups[0] == group && len(r.Resources) == 1 && r.Resources[0] == resource && len(r.ResourceNames) == 0 {
			for _, v := range verbs {
				if !slices.Contains(r.Verbs, v) {
					(*rules)[i].Verbs = append((*rules)[i].Verbs, v)
				}
			}
			return
		}
	}
	*rules = append(*rules, rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs})
}

// user returns the user of the kubeconfig, as the API server knows it.
func (env *Env) user(ctx context.Context) rbacv1.Subject {
	name := "YOU"
	if r, err := env.Cluster.Client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{}); err == nil {
		name = cmp.Or(r.Status.UserInfo.Username, name)
	}
	if account, found := strings.CutPrefix(name, "system:serviceaccount:"); found {
		namespace, name, _ := strings.Cut(account, ":")
		return rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}
	}
	return rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}
}

// documents formats objects as YAML documents.
func documents(objects ...any) (string, error) {
	var parts []string
	for _, o := range objects {
		text, err := yaml.Marshal(o)
		if err != nil {
			return "", fmt.Errorf("format the role: %w", err)
		}
		parts = append(parts, strings.ReplaceAll(string(text), "  creationTimestamp: null\n", ""))
	}
	return strings.Join(parts, "---\n"), nil
}
