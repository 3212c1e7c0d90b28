package watch

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/server/sx"
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
		p.Log = logOf(ctx, cluster, p.Pod, p.Container, true)
	}
	if len(p.Log) == 0 {
		p.Log = logOf(ctx, cluster, p.Pod, p.Container, false)
	}
	p.explain()
}

// explain takes the cause of a crash from the log.
func (p *Problem) explain() {
	if p.Reason != ReasonCrashLoop && p.Reason != ReasonNotReady {
		return
	}
	if slices.ContainsFunc(p.Log, func(line string) bool { return strings.Contains(line, "No space left on device") }) {
		p.Reason, p.Message = ReasonVolumeFull, "no space is left on its volume: "+p.Message
		return
	}
	if p.Reason != ReasonCrashLoop {
		return
	}
	for _, line := range slices.Backward(p.Log) {
		if cause := causeIn(line); cause != "" {
			p.Message = cause + " (" + p.Message + ")"
			return
		}
	}
}

// maxCause is the longest cause from a log that is shown in one line, in bytes.
const maxCause = 200

// causeIn returns the message of a log line that reports an error: of sx's services
// (error: …, or JSON with the level ERROR), or of MongoDB (JSON with the severity F or E,
// https://www.mongodb.com/docs/manual/reference/log-messages/); "" for others.
func causeIn(line string) string {
	if cause, found := strings.CutPrefix(line, "error: "); found {
		return sx.CleanLine(cause, maxCause)
	}
	var entry struct {
		Level    string `json:"level"`
		Severity string `json:"s"`
		Message  string `json:"msg"`
		Error    string `json:"error"`
		Details  struct {
			Error any `json:"error"`
		} `json:"attr"`
	}
	if json.Unmarshal([]byte(line), &entry) != nil || entry.Level != "ERROR" && entry.Severity != "F" && entry.Severity != "E" {
		return ""
	}
	switch {
	case entry.Error != "":
		return sx.CleanLine(entry.Message+": "+entry.Error, maxCause)
	case entry.Details.Error != nil:
		return sx.CleanLine(fmt.Sprintf("%s: %v", entry.Message, entry.Details.Error), maxCause)
	}
	return sx.CleanLine(entry.Message, maxCause)
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
	all = all[max(0, len(all)-logLines):]
	for i := range all {
		all[i] = sx.CleanText(strings.ReplaceAll(all[i], "\t", "    "))
	}
	return all
}
