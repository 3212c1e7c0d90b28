package watch

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// provisionGrace is for a provisioner that fails once and retries.
const provisionGrace = 45 * time.Second

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
		base := Problem{Object: r.object(), Pod: p.Name, Next: snap.kubectl("describe", "pvc", c.Name)}
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
			base.Next = snap.kubectl("get", "storageclass")
			about += "it names no storage class, and the cluster has no default one"
			if class != nil {
				about = "the claim " + c.Name + " is not bound: it requests no storage class, and no existing volume matches"
			}
			problems = append(problems, base.as(ReasonClaim, about, true))
		case strings.Contains(h.message, "storageclass") && strings.Contains(h.message, "not found"):
			base.Next = snap.kubectl("get", "storageclass")
			problems = append(problems, base.as(ReasonClaim, about+h.message, true))
		default:
			problems = append(problems, base.as(ReasonClaim, about+h.message, snap.exceeded(h.first, provisionGrace)))
		}
	}
	return problems
}
