package watch

import (
	"encoding/json"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// installers are the programs that change workloads when they install a version
// (Kubernetes calls them field managers).
var installers = []string{"sx", "helm", "argocd-controller", "helm-controller", "kustomize-controller"}

// editor returns the program that has changed what the pods of a workload run since it was
// installed; "" if none has. Whoever set the selector, which cannot change, created the
// workload. An install takes over the fields that it reverts.
func editor(fields []metav1.ManagedFieldsEntry) string {
	for _, f := range slices.Backward(fields) { // the latest first
		if f.Subresource != "" || f.FieldsV1 == nil || slices.Contains(installers, f.Manager) {
			continue
		}
		var set struct {
			Spec struct {
				Selector json.RawMessage `json:"f:selector"`
				Template struct {
					Spec json.RawMessage `json:"f:spec"` // kubectl rollout restart sets only metadata
				} `json:"f:template"`
			} `json:"f:spec"`
		}
		if json.Unmarshal(f.FieldsV1.GetRawBytes(), &set) == nil && set.Spec.Selector == nil && set.Spec.Template.Spec != nil {
			return f.Manager
		}
	}
	return ""
}

// blameEdit names a change by hand as the likely cause of the problems of a rollout's
// pods; an install reverts it.
func (snap *snapshot) blameEdit(r *rollout) {
	if r.editor == "" {
		return
	}
	for i := range r.problems {
		if p := &r.problems[i]; p.Pod != "" && p.Reason != ReasonOldPodBlocks {
			p.Message += "; " + r.editor + " has edited the " + r.row.Kind + " since it was installed"
			p.Next = snap.install()
		}
	}
}
