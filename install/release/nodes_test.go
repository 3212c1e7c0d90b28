package release_test

import (
	"slices"
	"strings"
	"testing"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// TestMoreThanOneNode checks that the pods of each part are spread over nodes and zones, and
// that a node can be drained: every part with several pods has a budget that allows one
// of them to be evicted, and no other part has one.
func TestMoreThanOneNode(t *testing.T) {
	t.Parallel()
	eachScenario(t, func(t *testing.T, s scenario, r rendered) {
		scaled := strings.HasPrefix(s.name, "production") || s.name == "tls-everything" // the converters
		for part, w := range r.workload {
			var keys []string
			for _, c := range w.pod.Spec.TopologySpreadConstraints {
				selector, err := metav1.LabelSelectorAsSelector(c.LabelSelector)
				if err != nil || !selector.Matches(labels.Set(w.pod.Labels)) {
					t.Errorf("%s is spread against %v, %v", part, c.LabelSelector, err)
				}
				keys = append(keys, c.TopologyKey)
			}
			if !slices.Equal(keys, []string{"kubernetes.io/hostname", "topology.kubernetes.io/zone"}) {
				t.Errorf("%s is spread over %q", part, keys)
			}
			budgets := 0
			for _, o := range r.objects {
				budget, ok := o.(*policyv1.PodDisruptionBudget)
				if !ok {
					continue
				}
				selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
				if err != nil || !selector.Matches(labels.Set(w.pod.Labels)) {
					continue
				}
				budgets++
				if m := budget.Spec.MaxUnavailable; m == nil || m.IntValue() != 1 || budget.Spec.MinAvailable != nil {
					t.Errorf("the budget of %s allows %v", part, budget.Spec)
				}
			}
			want := 0
			if w.replicas > 1 || part == "converter" && scaled {
				want = 1
			}
			if budgets != want {
				t.Errorf("%s with %d replicas has %d budgets, want %d", part, w.replicas, budgets, want)
			}
		}
	})
}
