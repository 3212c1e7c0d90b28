package watch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// The limits after which a problem that could resolve itself counts as fatal.
const (
	// maxPulls is the number of attempts to pull an image: the third is about half a
	// minute after the first, which is enough for a short outage of a registry.
	maxPulls = 3
	// crashes is the number of restarts that make a crash loop: a service may start
	// before its database once or twice.
	crashes = 3
	// crashLoopRun is the longest run that belongs to a crash loop; after that time the
	// kubelet resets its back-off.
	crashLoopRun = 10 * time.Minute
	// configGrace allows for a Secret or ConfigMap that is about to be created.
	configGrace = 15 * time.Second
	// provisionGrace allows for a provisioner that fails once and retries.
	provisionGrace = 45 * time.Second
	// mountGrace is for a volume that cannot be mounted at the first attempt, such as a
	// Secret that the kubelet does not have yet: it tries again after half a second, then
	// with back-off.
	mountGrace = 10 * time.Second
	// startGrace is how long a container may run before it is a problem that it is not ready:
	// its probes fail while it starts, or waits for another part that starts.
	startGrace = time.Minute
	// stopGrace lets an autoscaler start the first pod: KEDA looks every 30 s.
	stopGrace = time.Minute
	// scheduleGrace lets an autoscaler decide whether to add a node, which
	// takes up to half a minute; scaleUpGrace lets the node be added.
	scheduleGrace = time.Minute
	scaleUpGrace  = 5 * time.Minute
)

// podProblems returns the reasons why a pod is not ready.
func (snap *snapshot) podProblems(p *corev1.Pod, r Row) []Problem {
	base := Problem{Object: r.object(), Pod: p.Name, Next: snap.target.Kubectl("describe", "pod", p.Name)}
	switch {
	case ready(p), p.Status.Phase == corev1.PodSucceeded:
		return nil
	case p.Status.Phase == corev1.PodFailed:
		if p.CreationTimestamp.Time.Before(snap.since) {
			return nil // its controller has created another
		}
		return []Problem{base.as(cmp.Or(p.Status.Reason, "Failed"), cmp.Or(oneLine(p.Status.Message), "the pod failed"), false)}
	case p.Spec.NodeName == "":
		if problems := snap.claimProblems(p, r); len(problems) > 0 {
			return problems
		}
		return snap.unschedulable(p, base)
	}
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		base.Container = s.Name
		if problem := snap.container(p, s, base); problem != nil {
			return []Problem{*problem}
		}
	}
	base.Container = ""
	if problem := snap.podEvent(p, base); problem != nil {
		return []Problem{*problem}
	}
	return snap.notReady(p, base)
}

func (p Problem) as(reason, message string, fatal bool) Problem {
	p.Reason, p.Message, p.Fatal = reason, message, fatal
	return p
}

func (snap *snapshot) unschedulable(p *corev1.Pod, base Problem) []Problem {
	for _, c := range p.Status.Conditions {
		if c.Type != corev1.PodScheduled || c.Status != corev1.ConditionFalse || c.Reason != corev1.PodReasonUnschedulable {
			continue
		}
		grace := scheduleGrace
		if snap.eventsFor(p.UID, "", reasons("TriggeredScaleUp")) != nil {
			grace = scaleUpGrace
		}
		base.Next = snap.target.Kubectl("describe", "nodes")
		return []Problem{base.as(ReasonUnschedulable, oneLine(c.Message), snap.exceeded(c.LastTransitionTime.Time, grace))}
	}
	return nil
}

func (snap *snapshot) container(p *corev1.Pod, s corev1.ContainerStatus, base Problem) *Problem {
	waiting := s.State.Waiting
	if waiting == nil {
		return snap.crash(s, base)
	}
	var found Problem
	message := cmp.Or(oneLine(waiting.Message), waiting.Reason)
	switch waiting.Reason {
	case "ErrImageNeverPull", "InvalidImageName":
		failure := snap.eventsFor(p.UID, "", reasons("Failed", "ErrImageNeverPull", "InspectFailed"))
		found = base.as(ReasonImagePull, message, failure != nil)
		if waiting.Reason == "ErrImageNeverPull" {
			found.Message += " (load the image into every node, or use the pull policy IfNotPresent)"
		}
	case "ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError", "SignatureValidationFailed":
		found = snap.pull(p, s, base)
	case "CreateContainerConfigError":
		failed := snap.eventsFor(p.UID, "", func(e *corev1.Event) bool { return e.Reason == "Failed" })
		found = base.as(ReasonConfig, message, failed != nil && snap.exceeded(failed.first, configGrace))
		if strings.Contains(message, `secret "`+snap.release+"-") && strings.Contains(message, "not found") {
			found.Next = snap.install() // creates missing secrets
		}
	case "CrashLoopBackOff":
		return snap.crash(s, base)
	case "CreateContainerError", "RunContainerError":
		found = base.as(waiting.Reason, message, s.RestartCount >= crashes)
	default: // ContainerCreating, PodInitializing
		return nil
	}
	return &found
}

func (snap *snapshot) pull(p *corev1.Pod, s corev1.ContainerStatus, base Problem) Problem {
	tries := snap.eventsFor(p.UID, "", func(e *corev1.Event) bool {
		return e.Reason == "Failed" && strings.HasPrefix(e.Message, "Failed to pull image") && strings.Contains(e.Message, s.Image)
	})
	message := "the image " + s.Image + " cannot be pulled: "
	_, cause, _ := strings.Cut(oneLine(s.State.Waiting.Message), "ErrImagePull: ")
	if cause == "" && tries != nil {
		_, cause, _ = strings.Cut(tries.message, "\": ")
	}
	message += cmp.Or(cause, oneLine(s.State.Waiting.Message), s.State.Waiting.Reason)
	found := base.as(ReasonImagePull, message, tries != nil && tries.count >= maxPulls)
	lower := strings.ToLower(message)
	switch {
	case strings.Contains(lower, "toomanyrequests") || strings.Contains(lower, "429 too many"):
		found.Message += " (the registry limits anonymous pulls: use a pull secret or a mirror)"
		found.Next = snap.install("--image-pull-secret", "NAME")
	case strings.Contains(lower, "unauthorized") || strings.Contains(lower, "pull access denied") || strings.Contains(lower, "403 forbidden"):
		found.Message += " (the image does not exist there, or needs a pull secret)"
		found.Next = snap.install("--image-pull-secret", "NAME")
	}
	return found
}

// crash returns the problem of a container whose last run failed and that has not
// recovered since.
func (snap *snapshot) crash(s corev1.ContainerStatus, base Problem) *Problem {
	last := s.LastTerminationState.Terminated
	if s.State.Terminated != nil {
		last = s.State.Terminated
	}
	if last == nil || last.ExitCode == 0 && s.State.Waiting == nil || last.FinishedAt.Time.Before(snap.since) {
		return nil
	}
	loops := s.State.Running == nil && s.RestartCount >= crashes && last.FinishedAt.Sub(last.StartedAt.Time) < crashLoopRun
	if s.State.Running != nil && snap.now.Sub(s.State.Running.StartedAt.Time) > crashLoopRun {
		return nil
	}
	message := fmt.Sprintf("exited with code %d", last.ExitCode)
	if m := oneLine(last.Message); m != "" {
		message += " (" + m + ")"
	}
	if last.ExitCode == 132 {
		message += ", an illegal instruction: the node's processor does not support one that the image needs, such as AVX"
	}
	if s.RestartCount > 0 {
		message += fmt.Sprintf(", restarted %d times", s.RestartCount)
		message = strings.Replace(message, " 1 times", " once", 1)
	}
	found := base.as(ReasonCrashLoop, message, loops)
	found.previous = s.RestartCount > 0 && s.State.Terminated == nil
	found.Next = snap.target.Kubectl("logs", base.Pod, "-c", s.Name)
	if found.previous {
		found.Next = snap.target.Kubectl("logs", base.Pod, "-c", s.Name, "--previous")
	}
	if last.Reason == "OOMKilled" {
		found.Reason = ReasonOutOfMemory
		found.Message += ": it exceeded its memory limit"
		found.Next = snap.target.Kubectl("describe", "pod", base.Pod)
	}
	return &found
}

// podEvent returns a problem from before the containers are created.
func (snap *snapshot) podEvent(p *corev1.Pod, base Problem) *Problem {
	if p.Status.Phase != corev1.PodPending || hasSandbox(p) {
		return nil
	}
	started := snap.eventsFor(p.UID, "", reasons("Started", "Created", "Pulling", "Pulled"))
	for _, kind := range []struct{ event, reason string }{
		{"FailedMount", ReasonMount}, {"FailedAttachVolume", ReasonMount}, {"FailedCreatePodSandBox", ReasonSandbox},
	} {
		h := snap.eventsFor(p.UID, "", reasons(kind.event))
		// Timestamps are in seconds, so a start in the same second counts as later.
		if h == nil || started != nil && !started.last.Before(h.last) || !snap.exceeded(h.first, mountGrace) {
			continue
		}
		missing := strings.Contains(h.message, "not found") && (strings.Contains(h.message, "secret ") || strings.Contains(h.message, "configmap "))
		found := base.as(kind.reason, h.message, missing && snap.exceeded(h.first, configGrace))
		if missing && (strings.Contains(h.message, `secret "`+snap.release+"-") || strings.Contains(h.message, `configmap "`+snap.release+"-")) {
			found.Next = snap.install() // creates it again
		}
		return &found
	}
	return nil
}

// hasSandbox reports whether the pod's volumes are mounted and its sandbox exists, so that
// an event that says otherwise is old.
func hasSandbox(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReadyToStartContainers && c.Status == corev1.ConditionTrue
	})
}

// notReady returns the problem of a running pod that is not ready. It may become ready.
func (snap *snapshot) notReady(p *corev1.Pod, base Problem) []Problem {
	ever := *snap
	ever.since = time.Time{} // Kubernetes stops repeating events
	if h := snap.eventsFor(p.UID, "", reasons("NodeNotReady")); h != nil {
		base.Next = snap.target.Kubectl("get", "node", p.Spec.NodeName)
		return []Problem{base.as(ReasonNodeNotReady, "the node "+p.Spec.NodeName+" is not ready", false)}
	}
	if p.Status.Phase != corev1.PodRunning {
		return nil
	}
	for _, s := range p.Status.ContainerStatuses {
		if s.Ready || s.State.Running == nil || !snap.timeIsUp && !snap.exceeded(s.State.Running.StartedAt.Time, startGrace) {
			continue
		}
		h := ever.eventsFor(p.UID, "spec.containers{"+s.Name+"}", reasons("Unhealthy"))
		if h == nil {
			continue
		}
		base.Container, base.Next = s.Name, snap.target.Kubectl("logs", p.Name, "-c", s.Name)
		return []Problem{base.as(ReasonNotReady, "running but not ready: "+strings.TrimSuffix(h.message, ":"), false)}
	}
	return nil
}

// claimProblems returns the problems of a pod's claims that prevent its scheduling.
func (snap *snapshot) claimProblems(p *corev1.Pod, r Row) []Problem {
	var problems []Problem
	for _, v := range p.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		c := snap.claim(v.PersistentVolumeClaim.ClaimName)
		if c == nil || c.Status.Phase == corev1.ClaimBound {
			continue
		}
		base := Problem{Object: r.object(), Pod: p.Name, Next: snap.target.Kubectl("describe", "pvc", c.Name)}
		if c.Status.Phase == corev1.ClaimLost {
			problems = append(problems, base.as(ReasonClaim, "the claim "+c.Name+" has lost its volume", true))
			continue
		}
		h := snap.eventsFor(c.UID, "", reasons("ProvisioningFailed", "FailedBinding"))
		if h == nil {
			continue
		}
		class := c.Spec.StorageClassName
		about := "the claim " + c.Name + " is not bound: "
		switch {
		case strings.Contains(h.message, "no storage class is set"):
			base.Next = snap.target.Kubectl("get", "storageclass")
			about += "it names no storage class, and the cluster has no default one"
			if class != nil {
				about = "the claim " + c.Name + " is not bound: it requests no storage class, and no existing volume matches"
			}
			problems = append(problems, base.as(ReasonClaim, about, true))
		case strings.Contains(h.message, "storageclass") && strings.Contains(h.message, "not found"):
			base.Next = snap.target.Kubectl("get", "storageclass")
			problems = append(problems, base.as(ReasonClaim, about+h.message, true))
		default:
			problems = append(problems, base.as(ReasonClaim, about+h.message, snap.exceeded(h.first, provisionGrace)))
		}
	}
	return problems
}
