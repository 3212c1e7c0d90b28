//go:build e2e

package e2e

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestThreeNodes scales RabbitMQ from one node to three and checks that the queues
// are replicated to all nodes and that videos are converted while any one is down.
func TestThreeNodes(t *testing.T) {
	t.Parallel()
	o := newOperator(within(t, 12*time.Minute), t, "e2e-nodes")
	secure, _ := o.secured()
	o.sx(o.install(secure...)...)
	o.register("ada")
	o.sx(o.install("--set", "rabbitmq.replicas=3")...)
	o.eventually(o.ctx, "each queue is on three nodes", func(ctx context.Context) bool { return o.queuesHave(ctx, 3) })

	talk := o.makeVideo("talk.mkv", 5, 440)
	for _, pod := range []string{"soundextract-rabbitmq-0", "soundextract-rabbitmq-1", "soundextract-rabbitmq-2"} {
		now := int64(0)
		if err := cluster.Client.CoreV1().Pods(o.namespace).Delete(o.ctx, pod, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
			t.Fatal(err)
		}
		o.sx("convert", talk, "--force", "-o", filepath.Join(o.home, "talk.mp3"))
		o.sx(o.at("status", "--wait")...)
	}
	if !o.queuesHave(o.ctx, 3) {
		t.Error("a queue has no member on a restarted node")
	}
}

// queuesHave reports whether all queues of SoundExtract have the given number
// of members.
func (o *operator) queuesHave(ctx context.Context, members int) bool {
	o.t.Helper()
	here := *cluster
	here.Namespace = o.namespace
	out, err := here.Exec(ctx, "soundextract-rabbitmq-0", "rabbitmq",
		[]string{"rabbitmqctl", "-q", "list_queues", "name", "members"}, "")
	if err != nil {
		o.t.Logf("list the queues: %v", err)
		return false
	}
	queues := 0
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "sx.") {
			if strings.Count(line, "rabbit@") != members {
				return false
			}
			queues++
		}
	}
	return queues > 0
}
