// Package check diagnoses a cluster and an installed release. Checks are data: the
// caller chooses which ones to run and prints their results.
package check

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/soundextract/sx/install/kube"
)

// Severity is how serious a failed check is.
type Severity string

// The severities.
const (
	Fatal   Severity = "fatal"   // SoundExtract does not work or cannot be installed
	Warning Severity = "warning" // it works for now
)

// Outcome is the outcome of a check.
type Outcome string

// The outcomes.
const (
	OK             Outcome = "ok"
	FoundWarning   Outcome = "warning"
	FoundFatal     Outcome = "fatal"
	OutcomeSkipped Outcome = "skipped" // there was nothing to check, or it could not be checked
)

// Env is what checks examine.
type Env struct {
	Cluster  *kube.Cluster
	Release  string
	Manifest string // the rendered release, YAML documents; "" skips the checks that need it
	Current  string // the manifest that is in force, if Manifest is another one
	Version  string // of sx, such as 1.2.3; "" or "dev" skips the comparison with the release

	// Server is the gateway's address for users, such as https://sx.example.org; ""
	// skips the checks that use it.
	Server string
	// Token returns an access token for Server. If Token is nil or returns an
	// error of code unauthenticated, the checks that need a token are skipped.
	Token func(context.Context) (string, error)
	// SignIn is the command that signs in to Server, for hints.
	SignIn string
	// HTTP sends the requests to Server; nil is http.DefaultClient.
	HTTP *http.Client
	// PortForward makes a port of a running pod of a component, such as gateway,
	// available at the address HOST:PORT until stop is called. Nil forwards it
	// through the API server.
	PortForward func(ctx context.Context, component string, port int) (address string, stop func(), err error)
	// Exec runs a command in a container and returns its output. Nil uses the API server.
	Exec func(ctx context.Context, pod, container string, command []string) (string, error)

	mu     sync.Mutex
	parsed map[string]parsedManifest // by text
}

// Check is one check. Run returns nil if the check passes, the error of Skip if
// it does not apply, and otherwise an error that describes the problem. The
// hint of an *sx.Error takes precedence over the check's own.
type Check struct {
	ID          string // such as storage-class; stable, for scripts
	Description string // the condition that the check verifies
	Hint        string // what to do if it is not met
	// Next is the sx or kubectl command at the end of the hint; nil means none.
	// It is suggested with the flags that select the cluster, the namespace and
	// the release.
	Next     []string
	Severity Severity
	Timeout  time.Duration
	Run      func(context.Context, *Env) error
}

// Result is the result of a check.
type Result struct {
	ID          string  `json:"id"`
	Description string  `json:"description"`
	Outcome     Outcome `json:"outcome"`
	Message     string  `json:"message,omitempty"` // the problem, or why the check was skipped
	Hint        string  `json:"hint,omitempty"`
	TimedOut    bool    `json:"-"` // it is unknown whether the condition is met
}

// shortTimeout is for a check that sends a few requests to the API server,
// longTimeout for one that waits for pods or for the users' network.
const (
	shortTimeout = 15 * time.Second
	longTimeout  = 45 * time.Second
)

var apiCheck = Check{
	ID: "api", Description: "the cluster's API server responds", Severity: Fatal, Timeout: shortTimeout, Run: apiReachable,
	Hint: "check that this works: ", Next: []string{"kubectl", "cluster-info"},
}

var stateCheck = Check{
	ID: "release-state", Description: "no operation on the release was interrupted", Severity: Warning, Timeout: shortTimeout, Run: releaseState,
	Hint: "continue with: ", Next: []string{"sx", "install"},
}

var storageCheck = Check{
	ID: StorageID, Description: StorageDescription, Severity: Warning, Timeout: longTimeout, Run: storage,
	Hint: "read the log of the gateway with: ", Next: []string{"kubectl", "logs", "-l", "app.kubernetes.io/component=gateway"},
}

var deadLetterCheck = Check{
	ID: "dead-letters", Description: "no message was dead-lettered", Severity: Warning, Timeout: longTimeout, Run: deadLetters,
	Hint: "read the log of RabbitMQ with: ", Next: []string{"kubectl", "logs", "-l", "app.kubernetes.io/component=rabbitmq"},
}

var alarmsCheck = Check{
	ID: "broker-alarms", Description: "RabbitMQ accepts messages", Severity: Fatal, Timeout: longTimeout, Run: alarms,
	Hint: "read the log of RabbitMQ with: ", Next: []string{"kubectl", "logs", "-l", "app.kubernetes.io/component=rabbitmq"},
}

var volumesCheck = Check{
	ID: "volumes", Description: "the volumes have space and inodes", Severity: Warning, Timeout: longTimeout, Run: volumes,
	Hint: "see the pods with: ", Next: []string{"kubectl", "get", "pods,pvc"},
}

var secretsCheck = Check{
	ID: "secrets", Description: "the secrets that pods need exist", Severity: Warning, Timeout: shortTimeout, Run: secretsExist,
	Hint: "create them with: ", Next: []string{"sx", "install"},
}

var certificatesCheck = Check{
	ID: "certificates", Description: "no certificate expires within two weeks", Severity: Warning, Timeout: shortTimeout, Run: certificates,
	Hint: "see them with: ", Next: []string{"kubectl", "get", "secrets"},
}

// Status lists the quick checks of an installed release whose findings its workloads do
// not show, the most urgent first. They need Manifest.
func Status() []Check {
	all := []Check{secretsCheck, certificatesCheck, alarmsCheck, deadLetterCheck, storageCheck, volumesCheck, stateCheck}
	for i := range all {
		all[i].Timeout = shortTimeout // someone is waiting
	}
	return all
}

// Preflight lists the checks that run before an install. They need Manifest.
func Preflight() []Check {
	return []Check{
		apiCheck,
		{
			ID: "version", Description: "the cluster runs a supported version of Kubernetes", Severity: Warning, Timeout: shortTimeout, Run: kubernetesVersion,
			Hint: "upgrade the cluster, or use a SoundExtract release that supports it",
		},
		{
			ID: "permissions", Description: "you have permission to create, change and delete all objects of the release", Severity: Fatal, Timeout: longTimeout, Run: permissions,
			Hint: "give the administrator of the cluster the role to apply, which this prints: ", Next: []string{"sx", "doctor", "--role"},
		},
		{
			ID: "storage-class", Description: "the cluster can provision the volumes", Severity: Fatal, Timeout: shortTimeout, Run: storageClass,
			Hint: "name a class in the values, or mark one as the default; list the classes with: ", Next: []string{"kubectl", "get", "storageclass"},
		},
		{
			ID: "pod-security", Description: "the namespace enforces Pod Security", Severity: Warning, Timeout: shortTimeout, Run: podSecurity,
			Hint: "see its labels with: ", Next: []string{"kubectl", "get", "namespaces", "--show-labels"},
		},
		{
			ID: "quota", Description: "the quotas and limit ranges of the namespace leave enough room", Severity: Fatal, Timeout: shortTimeout, Run: quota,
			Hint: "ask for more, or reduce the requests with --set; see: ", Next: []string{"kubectl", "describe", "resourcequota,limitrange"},
		},
		{
			ID: "capacity", Description: "the nodes have room for all pods", Severity: Warning, Timeout: longTimeout, Run: capacity,
			Hint: "add a node (an autoscaler does), or reduce the requests with --set; see: ", Next: []string{"kubectl", "describe", "nodes"},
		},
		{
			ID: "autoscaling", Description: "what the autoscaler reads exists", Severity: Warning, Timeout: shortTimeout, Run: autoscaling,
			Hint: "install metrics-server or KEDA, or set the number of converters with: ",
			Next: []string{"sx", "install", "--set", "converter.autoscaling.enabled=false,converter.replicas=N"},
		},
		{
			ID: "ingress-class", Description: "a controller serves the Ingress", Severity: Warning, Timeout: shortTimeout, Run: ingressClass,
			Hint: "name a class with --set gateway.ingress.className=NAME; list them with: ", Next: []string{"kubectl", "get", "ingressclass"},
		},
		{
			ID: "gateway-api", Description: "the Gateway of the HTTPRoute exists", Severity: Fatal, Timeout: shortTimeout, Run: gatewayAPI,
			Hint: "name an existing one in gateway.httpRoute.parentRefs; list them with: ", Next: []string{"kubectl", "get", "gateways", "--all-namespaces"},
		},
		{
			ID: "leftovers", Description: "volumes of an earlier install have their secrets, and secrets their volumes", Severity: Fatal, Timeout: shortTimeout, Run: leftovers,
			Hint: "restore the secret from a backup, or discard the data with: ", Next: []string{"sx", "uninstall", "--wipe-data"},
		},
		stateCheck,
		{
			ID: secretsCheck.ID, Description: "the secrets that the values name exist", Severity: Fatal, Timeout: shortTimeout, Run: givenSecrets,
			Hint: "create it, or correct its name in the values; list the existing ones with: ", Next: []string{"kubectl", "get", "secrets"},
		},
		{
			ID: "pull-secret", Description: "the pull secrets exist", Severity: Fatal, Timeout: shortTimeout, Run: pullSecret,
			Hint: "create the secret with: ",
			Next: []string{"kubectl", "create", "secret", "docker-registry", "NAME", "--docker-server", "HOST", "--docker-username", "USER", "--docker-password", "PASSWORD"},
		},
	}
}

// Running lists the checks of an installed release.
func Running() []Check {
	return []Check{
		apiCheck,
		stateCheck,
		{
			ID: "workloads", Description: "all workloads are ready", Severity: Fatal, Timeout: longTimeout, Run: workloads,
			Hint: "see their state with: ", Next: []string{"sx", "status"},
		},
		{
			ID: "image-pulls", Description: "all images can be pulled", Severity: Fatal, Timeout: shortTimeout, Run: imagePulls,
			Hint: "set a mirror or a pull secret with: ", Next: []string{"sx", "install", "--image-registry", "REGISTRY", "--image-pull-secret", "NAME"},
		},
		{
			ID: "version-skew", Description: "sx and the release have the same version", Severity: Warning, Timeout: shortTimeout, Run: versionSkew,
			Hint: "use the same version of sx, or upgrade the release with: ", Next: []string{"sx", "install"},
		},
		{
			ID: "support", Description: "MongoDB and RabbitMQ are supported for at least another six months", Severity: Warning, Timeout: shortTimeout, Run: supported,
			Hint: "if a newer version is in docs/operations.md, remove image.tag from the values and upgrade with: ", Next: []string{"sx", "install"},
		},
		{
			ID: "leftovers", Description: "the volumes have their secrets, and the secrets their volumes", Severity: Fatal, Timeout: shortTimeout, Run: leftovers,
			Hint: "restore the secret from a backup before a pod restarts",
		},
		{
			ID: "dependencies", Description: "the gateway reaches MongoDB, RabbitMQ and the other services", Severity: Fatal, Timeout: longTimeout, Run: dependencies,
			Hint: "read the log of the gateway with: ", Next: []string{"kubectl", "logs", "-l", "app.kubernetes.io/component=gateway"},
		},
		{
			ID: SandboxID, Description: SandboxDescription, Severity: Warning, Timeout: longTimeout, Run: sandbox,
			Hint: "read the log of the converters with: ", Next: []string{"kubectl", "logs", "-l", "app.kubernetes.io/component=converter"},
		},
		{
			ID: "backup", Description: "the last backup is recent", Severity: Warning, Timeout: longTimeout, Run: backups,
			Hint: "create one with: ", Next: []string{"sx", "backup", "create"},
		},
		storageCheck,
		{
			ID: "queues", Description: "the queues are short and have consumers", Severity: Warning, Timeout: longTimeout, Run: queues,
			Hint: "start more converters with: ", Next: []string{"sx", "install", "--set", "converter.replicas=N"},
		},
		{
			ID: "backlog", Description: "no job has been waiting for more than half an hour", Severity: Warning, Timeout: longTimeout, Run: backlog,
			Hint: "read the log of the gateway with: ", Next: []string{"kubectl", "logs", "-l", "app.kubernetes.io/component=gateway"},
		},
		alarmsCheck,
		deadLetterCheck,
		volumesCheck,
		secretsCheck,
		certificatesCheck,
		{
			ID: "server", Description: "the gateway responds at its public address", Severity: Fatal, Timeout: shortTimeout, Run: server,
			Hint: "check the host name, the Ingress or HTTPRoute, and the certificate with: ", Next: []string{"kubectl", "get", "ingress,httproute"},
		},
		{
			ID: "interrupted-upload", Description: "an interrupted upload keeps the bytes that were sent", Severity: Warning, Timeout: longTimeout, Run: interruptedUpload,
			Hint: "read the log of the gateway with: ", Next: []string{"kubectl", "logs", "-l", "app.kubernetes.io/component=gateway"},
		},
	}
}
