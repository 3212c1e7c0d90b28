package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

const (
	// metricsPort is the port on which each service's pods serve metrics and readiness.
	metricsPort = 8749
	// maxHealth is the size of a readiness response that is read, in bytes.
	maxHealth = 64 << 10
)

// dependencies tries several times, as Reported does, and for the same reason.
func dependencies(ctx context.Context, env *Env) error {
	err := env.gatewayDependencies(ctx)
	for range reportAttempts - 1 {
		if err == nil || backoff.Sleep(ctx, reportInterval) != nil {
			return err
		}
		if again := env.gatewayDependencies(ctx); ctx.Err() == nil {
			err = again
		}
	}
	return err
}

// gatewayDependencies gets the readiness of a gateway, which pings MongoDB, RabbitMQ
// and auth for it.
func (env *Env) gatewayDependencies(ctx context.Context) error {
	health, err := env.health(ctx, "gateway")
	var noPod *skipped
	if errors.As(err, &noPod) { // a release has a gateway
		return sx.NewError(sx.CodeUnavailable, "%s", noPod.message)
	}
	if err != nil {
		return err
	}
	logs := env.Cluster.Kubectl("logs", "-l", "app.kubernetes.io/instance="+env.Release, "--prefix", "--tail", "20")
	if health.Status != "ok" {
		return sx.NewError(sx.CodeUnavailable, "the gateway is not ready: %s", health.Status).WithHint("see why with: %s", logs)
	}
	if health.Degraded != "" {
		return sx.NewError(sx.CodeUnavailable, "the gateway cannot reach its dependencies: %s", health.Degraded).WithHint("see why with: %s", logs)
	}
	return nil
}

// health gets the readiness of a pod of the component.
func (env *Env) health(ctx context.Context, component string) (api.Health, error) {
	var health api.Health // even with the status 503
	res, stop, err := env.get(ctx, component, api.PathReady)
	if err != nil {
		return health, err
	}
	defer stop()
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(io.LimitReader(res.Body, maxHealth)).Decode(&health); err != nil {
		return health, sx.NewError(sx.CodeUnavailable, "the %s responded with %s instead of its readiness", component, res.Status)
	}
	health.Status, health.Degraded = sx.CleanLine(health.Status, maxReason), sx.CleanLine(health.Degraded, maxReason)
	return health, nil
}

// maxReason is the longest part of a readiness response that is shown, in bytes.
const maxReason = 500

// The services' names of their dependencies, and the components that these are.
var dependencyNames = map[string]string{"store": "mongodb", "bus": "rabbitmq", "auth": "auth"}

const (
	// reportAttempts is the number of reports in a row that make a dependency unusable: a
	// service waits for it only half a second, which a busy machine may exceed once.
	reportAttempts = 3
	reportInterval = time.Second
	reportTimeout  = 20 * time.Second
	answerTimeout  = 4 * time.Second
)

// Reported asks a running service which parts it cannot use, and RabbitMQ whether jobs
// wait without a converter. It returns, by component, problems that Kubernetes does not
// see, such as a process that hangs. What cannot be determined is omitted.
func Reported(ctx context.Context, env *Env) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	var found map[string]string
	for attempt := range reportAttempts {
		now := env.reportedOnce(ctx)
		if attempt == 0 {
			found = now
		}
		for component := range found {
			if now[component] == "" {
				delete(found, component)
			}
		}
		if len(found) == 0 || attempt < reportAttempts-1 && backoff.Sleep(ctx, reportInterval) != nil {
			return nil
		}
	}
	return found
}

func (env *Env) reportedOnce(ctx context.Context) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	waiting := make(chan string, 1)
	go func() { waiting <- env.waitingJobs(ctx) }()
	found := env.unusable(ctx)
	if jobs := <-waiting; jobs != "" {
		found["converter"] = jobs
	}
	return found
}

// unusable returns what a service says about the parts that it needs.
func (env *Env) unusable(ctx context.Context) map[string]string {
	found := map[string]string{}
	for _, component := range []string{"gateway", "converter", "notifier", "auth"} {
		health, err := env.health(ctx, component)
		if err != nil {
			continue // the next one
		}
		reasons := health.Degraded
		if health.Status != "ok" {
			reasons = health.Status
		}
		for reason := range strings.SplitSeq(reasons, "; ") {
			name, why, _ := strings.Cut(reason, ": ")
			if part := dependencyNames[name]; part != "" {
				found[part] = fmt.Sprintf("the %s cannot use it: %s", component, why)
			}
		}
		return found
	}
	return found
}

// waitingJobs says how many jobs no converter takes; "" if there are none.
func (env *Env) waitingJobs(ctx context.Context) string {
	all, err := env.queues(ctx)
	if err != nil {
		return ""
	}
	for _, q := range all {
		if q.Name == "sx.convert" && q.Messages > 0 && q.Consumers == 0 {
			return fmt.Sprintf("no converter takes the jobs that are waiting (%d)", q.Messages)
		}
	}
	return ""
}
