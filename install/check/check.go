// Package check asks a cluster and a running release what keeps them, or will
// keep them, from working. Checks are data: who runs them chooses which, and
// prints their results.
package check

import (
	"context"
	"net/http"
	"time"

	"github.com/soundextract/sx/install/kube"
)

// Severity says how bad it is when a check fails.
type Severity string

// The severities.
const (
	Fatal   Severity = "fatal"   // SoundExtract does not work, or cannot be installed
	Warning Severity = "warning" // it works, for now
)

// Outcome is how a check ended.
type Outcome string

// The outcomes.
const (
	OK             Outcome = "ok"
	FoundWarning   Outcome = "warning"
	FoundFatal     Outcome = "fatal"
	OutcomeSkipped Outcome = "skipped" // there was nothing to check, or no way to
)

// Env is what checks look at.
type Env struct {
	Cluster  *kube.Cluster
	Release  string
	Manifest string // the rendered release, YAML documents; "" skips what needs it
	Version  string // of sx, such as 1.2.3; "" or "dev" skips the comparison with the release

	// Server is the address that users reach the gateway by, such as
	// https://sx.example.org; "" skips what goes through it.
	Server string
	// Token gives an access token for Server; nil, or an error of code
	// unauthenticated, skips what needs one.
	Token func(context.Context) (string, error)
	// HTTP sends the requests to Server; nil is http.DefaultClient.
	HTTP *http.Client
	// PortForward opens a connection to a port of a component's pod, such as gateway, that
	// runs, and gives the address HOST:PORT until stop is called. Nil is a
	// port-forward through the API server.
	PortForward func(ctx context.Context, component string, port int) (address string, stop func(), err error)
}

// Check is one question. Run answers nil when all is well, the error of Skip
// when the question does not arise, else what is wrong: an *sx.Error whose hint
// goes before the check's own, or any error.
type Check struct {
	ID          string // such as storage-class; stable, for scripts
	Description string // what is true when the check passes
	Hint        string // what to do when it is not
	Severity    Severity
	Timeout     time.Duration
	Run         func(context.Context, *Env) error
}

// Result is a check's answer.
type Result struct {
	ID          string  `json:"id"`
	Description string  `json:"description"`
	Outcome     Outcome `json:"outcome"`
	Message     string  `json:"message,omitempty"` // what is wrong, or why the check was skipped
	Hint        string  `json:"hint,omitempty"`
}

// shortTimeout is for of a check that asks the API server a few questions,
// long of one that waits for pods or for users' connections.
const (
	shortTimeout = 15 * time.Second
	longTimeout  = 45 * time.Second
)

var apiCheck = Check{
	ID: "api", Description: "the cluster's API server answers", Severity: Fatal, Timeout: shortTimeout, Run: apiReachable,
	Hint: "kubectl cluster-info must work with the same kubeconfig and context",
}

var stateCheck = Check{
	ID: "release-state", Description: "no earlier operation on the release was left unfinished", Severity: Warning, Timeout: shortTimeout, Run: releaseState,
	Hint: "sx install goes on from there",
}

// Preflight lists the checks that an install begins with. They need Manifest.
func Preflight() []Check {
	return []Check{
		apiCheck,
		{
			ID: "version", Description: "the cluster's version is one that SoundExtract is made for", Severity: Warning, Timeout: shortTimeout, Run: kubernetesVersion,
			Hint: "upgrade the cluster, or use an sx of its age",
		},
		{
			ID: "permissions", Description: "you may make, change and remove all that is installed", Severity: Fatal, Timeout: longTimeout, Run: permissions,
			Hint: "ask the cluster's administrator for the role admin in the namespace: kubectl create rolebinding NAME --clusterrole admin --user YOU -n NAMESPACE",
		},
		{
			ID: "storage-class", Description: "the cluster can make the volumes", Severity: Fatal, Timeout: shortTimeout, Run: storageClass,
			Hint: "list the classes with kubectl get storageclass, and name one in the values or mark one as the default",
		},
		{
			ID: "pod-security", Description: "the namespace holds its pods to Pod Security", Severity: Warning, Timeout: shortTimeout, Run: podSecurity,
			Hint: "kubectl label namespace NAMESPACE pod-security.kubernetes.io/enforce=restricted",
		},
		{
			ID: "quota", Description: "the namespace's quotas and limits leave room", Severity: Fatal, Timeout: shortTimeout, Run: quota,
			Hint: "see kubectl describe resourcequota,limitrange -n NAMESPACE, and ask for more or install less with --set",
		},
		{
			ID: "leftovers", Description: "the volumes left by an earlier install have their secrets, and the secrets their volumes", Severity: Fatal, Timeout: shortTimeout, Run: leftovers,
			Hint: "restore the secret from a backup, or give the data up with: sx uninstall --wipe-data",
		},
		stateCheck,
		{
			ID: "pull-secret", Description: "the secrets to pull images with are there", Severity: Fatal, Timeout: shortTimeout, Run: pullSecret,
			Hint: "kubectl create secret docker-registry NAME --docker-server HOST --docker-username USER --docker-password PASSWORD -n NAMESPACE",
		},
	}
}

// Running lists the checks of a release that is installed.
func Running() []Check {
	return []Check{
		apiCheck,
		stateCheck,
		{
			ID: "workloads", Description: "all workloads are ready", Severity: Fatal, Timeout: longTimeout, Run: workloads,
			Hint: "see how they are doing with: sx status",
		},
		{
			ID: "image-pulls", Description: "all images can be pulled", Severity: Fatal, Timeout: shortTimeout, Run: imagePulls,
			Hint: "list the images with sx images; a mirror is named with --image-registry, a pull secret with --image-pull-secret",
		},
		{
			ID: "version-versionSkew", Description: "sx and the release are of the same version", Severity: Warning, Timeout: shortTimeout, Run: versionSkew,
			Hint: "upgrade the release with sx install, or use the sx of its version",
		},
		{
			ID: "leftovers", Description: "the volumes have their secrets, and the secrets their volumes", Severity: Fatal, Timeout: shortTimeout, Run: leftovers,
			Hint: "restore the secret from a backup before a pod starts anew",
		},
		{
			ID: "dependencies", Description: "the gateway reaches the database, the queues and the other services", Severity: Fatal, Timeout: longTimeout, Run: dependencies,
			Hint: "see what the gateway says with: kubectl logs -l app.kubernetes.io/component=gateway -n NAMESPACE",
		},
		{
			ID: "queues", Description: "the queues are short and someone works on them", Severity: Warning, Timeout: longTimeout, Run: queues,
			Hint: "start more converters with: sx install --set converter.replicas=N",
		},
		{
			ID: "dead-letters", Description: "no message was given up", Severity: Warning, Timeout: longTimeout, Run: deadLetters,
			Hint: "look at them in RabbitMQ's management pages, and at the log of the service that gave them up",
		},
		{
			ID: "server", Description: "the gateway answers at the address that users have", Severity: Fatal, Timeout: shortTimeout, Run: server,
			Hint: "check the name, the Ingress or HTTPRoute and its certificate with: kubectl get ingress,httproute -n NAMESPACE",
		},
		{
			ID: "interrupted-upload", Description: "an upload that is cut keeps what was sent", Severity: Warning, Timeout: longTimeout, Run: interruptedUpload,
			Hint: "switch off the buffering of requests in the proxy or Ingress controller (nginx: proxy_request_buffering off)",
		},
	}
}
