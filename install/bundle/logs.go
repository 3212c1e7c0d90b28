package bundle

import (
	"context"
	"io"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The limits of one container's log, counted from its end.
const (
	tailLines = int64(5000)
	tailBytes = int64(2 << 20)
)

// logs returns a task for each log of the release's containers, including that of the
// previous run.
func (c *collection) logs(ctx context.Context) []task {
	pods, err := c.Cluster.Client.CoreV1().Pods(c.Cluster.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + c.Release})
	if err != nil {
		c.missing("logs", err)
		return nil
	}
	var tasks []task
	for _, p := range pods.Items {
		for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
			path := "logs/" + p.Name + "/" + s.Name
			if s.RestartCount > 0 {
				tasks = append(tasks, c.log(path+".previous.log", p.Name, s.Name, true))
			}
			if s.State.Waiting == nil { // otherwise it has none
				tasks = append(tasks, c.log(path+".log", p.Name, s.Name, false))
			}
		}
	}
	return tasks
}

func (c *collection) log(path, pod, container string, previous bool) task {
	return task{path, func(ctx context.Context) error {
		lines, limit := tailLines, tailBytes
		stream, err := c.Cluster.Client.CoreV1().Pods(c.Cluster.Namespace).GetLogs(pod, &corev1.PodLogOptions{
			Container: container, Previous: previous, TailLines: &lines, LimitBytes: &limit, Timestamps: true,
		}).Stream(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = stream.Close() }()
		raw, err := io.ReadAll(io.LimitReader(stream, tailBytes))
		problem := ""
		if err != nil {
			problem = "incomplete: " + err.Error()
		}
		c.put(path, c.redactor.log(raw), problem)
		return nil
	}}
}
