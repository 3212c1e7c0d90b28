// Package logs reads the logs of an installation's containers.
package logs

import (
	"bufio"
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

// Options select lines.
type Options struct {
	Part   string        // the part of the installation, such as gateway; "" is all
	Since  time.Duration // lines of at most this age; 0 is all
	Tail   int64         // the last lines of each container; 0 is all
	Follow bool          // until the context ends
	// Previous also reads what containers wrote before their last restart.
	Previous bool
}

// Line is a line of a container's log.
type Line struct {
	Pod  string
	Part string
	Text string
}

const (
	// pollInterval is the time between two searches for new containers.
	pollInterval = 3 * time.Second
	// maxLine is the length in bytes at which a line is cut.
	maxLine = 256 << 10
)

// Stream calls emit for each line, one at a time; lines of one container are in order.
// If no pod matches, the error is an *sx.Error of code not_found.
func Stream(ctx context.Context, cluster *kube.Cluster, release string, o Options, emit func(Line)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &streamer{cluster: cluster, options: o, emit: emit, known: map[string]bool{}}
	defer s.open.Wait()
	defer cancel()
	for first := true; ; first = false {
		pods, err := s.pods(ctx, release)
		switch {
		case err != nil && first:
			return err
		case first && len(pods) == 0:
			return sx.NewError(sx.CodeNotFound, "no pods of %s found in namespace %s", named(o.Part, release), cluster.Namespace).
				WithHint("see what is installed with: %s", cluster.SX(release, "status"))
		}
		for _, p := range pods {
			s.start(ctx, p)
		}
		if !o.Follow {
			s.open.Wait()
			return s.err
		}
		// From now on, only containers that start later are read, from their beginning.
		s.options.Tail, s.options.Since, s.options.Previous = 0, 0, false
		if err := backoff.Sleep(ctx, pollInterval); err != nil {
			return err
		}
	}
}

func named(part, release string) string {
	if part == "" {
		return release
	}
	return part
}

// streamer reads the logs of several containers at once.
type streamer struct {
	cluster *kube.Cluster
	options Options
	open    sync.WaitGroup
	known   map[string]bool // the containers that were started to be read

	mu   sync.Mutex
	emit func(Line)
	err  error // the first one
}

func (s *streamer) pods(ctx context.Context, release string) ([]corev1.Pod, error) {
	selector := "app.kubernetes.io/instance=" + release
	if s.options.Part != "" {
		selector += ",app.kubernetes.io/component=" + s.options.Part
	}
	pods, err := s.cluster.Client.CoreV1().Pods(s.cluster.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, s.cluster.WrapError(err)
	}
	return pods.Items, nil
}

// start reads the logs of the pod's containers that have one and are not being read. A
// container that waits, such as for its next start after a crash, has that of its last run.
func (s *streamer) start(ctx context.Context, p corev1.Pod) {
	for _, c := range p.Status.ContainerStatuses {
		waits := c.State.Waiting != nil
		if waits && c.LastTerminationState.Terminated == nil || s.known[c.ContainerID] {
			continue
		}
		s.known[c.ContainerID] = true
		options := &corev1.PodLogOptions{Container: c.Name, Follow: s.options.Follow}
		if tail := s.options.Tail; tail > 0 {
			options.TailLines = &tail // Stream changes s.options later
		}
		if seconds := int64(s.options.Since / time.Second); seconds > 0 {
			options.SinceSeconds = &seconds
		}
		if s.options.Previous && !waits && c.LastTerminationState.Terminated != nil {
			before := *options
			before.Previous, before.Follow = true, false
			// An error means that the node has removed the log.
			s.open.Go(func() { _ = s.read(ctx, p, &before) })
		}
		s.open.Go(func() {
			if err := s.read(ctx, p, options); err != nil && ctx.Err() == nil {
				s.mu.Lock()
				defer s.mu.Unlock()
				if s.err == nil {
					s.err = s.cluster.WrapError(err)
				}
			}
		})
	}
}

func (s *streamer) read(ctx context.Context, p corev1.Pod, o *corev1.PodLogOptions) error {
	stream, err := s.cluster.Client.CoreV1().Pods(p.Namespace).GetLogs(p.Name, o).Stream(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		s.mu.Lock()
		s.emit(Line{Pod: p.Name, Part: p.Labels["app.kubernetes.io/component"], Text: lines.Text()})
		s.mu.Unlock()
	}
	return lines.Err()
}
