package watch

import (
	"context"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/soundextract/sx/install/kube"
)

const (
	logLines = 20
	logBytes = 16 << 10
	logTime  = 5 * time.Second // a missing log must not delay the problem
)

// fillLog adds the last lines of the container's log, if it can be read: a container
// that never ran has none.
func (p *Problem) fillLog(ctx context.Context, cluster *kube.Cluster) {
	if p.Container == "" || p.Reason == ReasonImagePull || p.Reason == ReasonConfig {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logTime)
	defer cancel()
	if p.previous {
		if p.Log = logOf(ctx, cluster, p.Pod, p.Container, true); len(p.Log) > 0 {
			return
		}
	}
	p.Log = logOf(ctx, cluster, p.Pod, p.Container, false)
}

func logOf(ctx context.Context, cluster *kube.Cluster, pod, container string, previous bool) []string {
	lines, limit := int64(logLines), int64(logBytes)
	stream, err := cluster.Client.CoreV1().Pods(cluster.Namespace).GetLogs(pod, &corev1.PodLogOptions{
		Container: container, Previous: previous, TailLines: &lines, LimitBytes: &limit,
	}).Stream(ctx)
	if err != nil {
		return nil
	}
	defer func() { _ = stream.Close() }()
	raw, _ := io.ReadAll(io.LimitReader(stream, logBytes)) // shows what was read before an error
	text := strings.TrimRight(string(raw), "\n")
	if text == "" {
		return nil
	}
	all := strings.Split(text, "\n")
	return all[max(0, len(all)-logLines):]
}
