package watch_test

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/install/watch"
)

// TestEditedWorkload checks that a workload whose pods fail after a change by hand says
// so, and that the next command reverts it.
func TestEditedWorkload(t *testing.T) {
	t.Parallel()
	const template = `{"f:spec":{"f:template":{"f:spec":{"f:containers":{}}}}}`
	entry := func(manager, subresource, fields string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Subresource: subresource, FieldsV1: metav1.NewFieldsV1(fields)}
	}
	creator := entry("sx", "", `{"f:spec":{"f:selector":{},"f:template":{"f:spec":{"f:containers":{}}}}}`)
	for name, tt := range map[string]struct {
		entry  metav1.ManagedFieldsEntry
		editor string
	}{
		"edited":                {entry("kubectl-edit", "", template), "kubectl-edit"},
		"restarted":             {entry("kubectl-rollout", "", `{"f:spec":{"f:template":{"f:metadata":{"f:annotations":{}}}}}`), ""},
		"scaled":                {entry("kubectl", "scale", `{"f:spec":{"f:replicas":{}}}`), ""},
		"status":                {entry("kube-controller-manager", "status", `{"f:status":{}}`), ""},
		"upgraded by Helm":      {entry("helm", "", template), ""},
		"created by another":    {entry("terraform", "", creator.FieldsV1.GetRawString()), ""},
		"fields of another API": {entry("kubectl-edit", "", `[]`), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects := part("gateway", crashed(5, "Error", 3))
			objects[0].(*appsv1.Deployment).ManagedFields = []metav1.ManagedFieldsEntry{creator, tt.entry}
			c, _ := cluster(objects...)
			_, problems, err := watch.Status(t.Context(), c, release, nil)
			if err != nil || len(problems) != 1 {
				t.Fatalf("got %+v, %v", problems, err)
			}
			p := problems[0]
			if named := strings.Contains(p.Error(), "; "+tt.editor+" has edited the Deployment since it was installed"); named != (tt.editor != "") {
				t.Errorf("got %v", p.Error())
			}
			if reverts := p.Next == "sx install --context lab -n music"; reverts != (tt.editor != "") {
				t.Errorf("the next command is %s", p.Next)
			}
		})
	}
}
