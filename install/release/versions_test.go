package release_test

import (
	"reflect"
	"testing"
)

// TestStatefulPods checks that the pods of MongoDB and RabbitMQ, and their volumes, are
// the same in every version of the chart as long as their own images and configuration
// are: a changed template would restart them.
func TestStatefulPods(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			before := read(t, s.renderVersion(t, "1.2.3"))
			after := read(t, s.renderVersion(t, "1.3.0-rc.1+abc"))
			if reflect.DeepEqual(before.workload["gateway"].pod, after.workload["gateway"].pod) {
				t.Error("the gateway's pods are the same: the versions do not differ")
			}
			for _, part := range []string{"mongodb", "rabbitmq"} {
				a, b := before.workload[part], after.workload[part]
				if !reflect.DeepEqual(a.pod, b.pod) {
					t.Errorf("the pods of %s differ:\n%+v\n%+v", part, a.pod, b.pod)
				}
				if !reflect.DeepEqual(a.claims, b.claims) {
					t.Errorf("the volumes of %s differ:\n%+v\n%+v", part, a.claims, b.claims)
				}
			}
		})
	}
}
