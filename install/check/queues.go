package check

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/install/secrets"
	"github.com/soundextract/sx/server/sx"
)

const (
	// managementPort is the port of RabbitMQ's HTTP API, on which it listens only inside
	// its pod. It is used instead of rabbitmqctl because a port-forward needs fewer
	// permissions than exec.
	managementPort = 15672
	// manyWaiting is the number of messages that keep a converter busy for hours.
	manyWaiting = 500
	// maxAnswer is the size of a response of the HTTP API that is read, in bytes.
	maxAnswer = 1 << 20
)

// deadSuffix ends the name of the queue of the messages that another queue gave up.
const deadSuffix = ".dead"

// queue is a queue in RabbitMQ's HTTP API.
type queue struct {
	Name      string `json:"name"`
	Messages  int    `json:"messages"`
	Consumers int    `json:"consumers"`
}

func (env *Env) queues(ctx context.Context) ([]queue, error) {
	var all []queue
	err := env.askRabbitMQ(ctx, "/api/queues?columns=name,messages,consumers", &all)
	return all, err
}

// askRabbitMQ gets a document of RabbitMQ's HTTP API as the user of the checks.
func (env *Env) askRabbitMQ(ctx context.Context, path string, into any) error {
	name := env.Release + "-rabbitmq"
	secret, err := env.Cluster.Client.CoreV1().Secrets(env.Cluster.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return Skip("", "secret %s not found: RabbitMQ is not part of the release", name)
	}
	if err != nil {
		return env.accessError(err, "read the secrets")
	}
	address, stop, err := env.portForward(ctx, "rabbitmq", managementPort)
	if err != nil {
		return err
	}
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return err
	}
	req.SetBasicAuth(string(secret.Data[secrets.UsernameKey(secrets.Monitor)]), string(secret.Data[secrets.PasswordKey(secrets.Monitor)]))
	res, err := (&http.Client{}).Do(req)
	if err != nil {
		return env.noResponse(ctx, "rabbitmq", fmt.Errorf("RabbitMQ's HTTP API does not respond: %w", err))
	}
	defer func() { _ = res.Body.Close() }()
	switch {
	case res.StatusCode == http.StatusUnauthorized:
		return sx.NewError(sx.CodeBadCredentials, "RabbitMQ rejects the password of the secret %s", name).
			WithHint("restore the secret that belongs to the volume, or change the password with: %s", env.Cluster.SX(env.Release, "secrets", "rotate", "rabbitmq"))
	case res.StatusCode != http.StatusOK:
		return sx.NewError(sx.CodeUnavailable, "RabbitMQ's HTTP API responded with %s", res.Status)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("read the response of RabbitMQ's HTTP API: %w", err)
	}
	return nil
}

func queues(ctx context.Context, env *Env) error {
	all, err := env.queues(ctx)
	if err != nil {
		return err
	}
	for _, q := range all {
		if !strings.HasPrefix(q.Name, "sx.") || strings.HasSuffix(q.Name, deadSuffix) {
			continue
		}
		switch {
		case q.Messages > 0 && q.Consumers == 0:
			return &severityOverride{sx.NewError(sx.CodeUnavailable, "the queue %[2]s has %[1]d messages and no consumer", q.Messages, q.Name).
				WithHint("see why with: %s", env.Cluster.Kubectl("get", "pods", "-l", "app.kubernetes.io/instance="+env.Release)), Fatal}
		case q.Messages > manyWaiting:
			return sx.NewError(sx.CodeUnavailable, "%d messages are waiting in the queue %s", q.Messages, q.Name)
		}
	}
	return nil
}

// deadLetters names the service whose log says why the messages were rejected. It suggests
// to delete them, which loses nothing and ends the warning, and no second command.
func deadLetters(ctx context.Context, env *Env) error {
	all, err := env.queues(ctx)
	if err != nil {
		return err
	}
	var found []string
	var first string
	for _, q := range all {
		if strings.HasPrefix(q.Name, "sx.") && strings.HasSuffix(q.Name, deadSuffix) && q.Messages > 0 {
			found = append(found, fmt.Sprintf("%d in %s", q.Messages, q.Name))
			first = cmp.Or(first, q.Name)
		}
	}
	if len(found) == 0 {
		return nil
	}
	service := map[string]string{"sx.convert" + deadSuffix: "converter", "sx.notify" + deadSuffix: "notifier"}[first]
	return sx.NewError(sx.CodeUnavailable, "dead-lettered messages: %s", strings.Join(found, ", ")).
		WithHint("no job is lost, and the log of the %s has the reason; delete the messages with: %s",
			service, env.inRabbitMQ("rabbitmqctl", "purge_queue", first))
}

// inRabbitMQ returns the command line that runs a command in the first node of RabbitMQ.
func (env *Env) inRabbitMQ(command ...string) string {
	return env.Cluster.Kubectl(append([]string{"exec", env.Release + "-rabbitmq-0", "-c", "rabbitmq", "--"}, command...)...)
}

// alarms checks that RabbitMQ accepts messages, which it does not while a node has too
// little memory or disk (https://www.rabbitmq.com/docs/alarms).
func alarms(ctx context.Context, env *Env) error {
	var nodes []struct {
		Name   string `json:"name"`
		Memory bool   `json:"mem_alarm"`
		Disk   bool   `json:"disk_free_alarm"`
		Free   int64  `json:"disk_free"`
		Limit  int64  `json:"disk_free_limit"`
	}
	if err := env.askRabbitMQ(ctx, "/api/nodes", &nodes); err != nil {
		return err
	}
	for _, n := range nodes {
		name := sx.CleanLine(n.Name, maxReason)
		status := env.inRabbitMQ("rabbitmq-diagnostics", "status")
		switch {
		case n.Disk:
			return sx.NewError(sx.CodeStorageFull, "RabbitMQ accepts no messages, so that new jobs wait: %s has %s of free disk space, and needs %s",
				name, sx.FormatSize(n.Free), sx.FormatSize(n.Limit)).
				WithHint("enlarge its volume with --set rabbitmq.persistence.size=SIZE; see the state of RabbitMQ with: %s", status)
		case n.Memory:
			return sx.NewError(sx.CodeUnavailable, "RabbitMQ accepts no messages, so that new jobs wait: the memory of %s is used up", name).
				WithHint("raise rabbitmq.resources.limits.memory with --set; see the state of RabbitMQ with: %s", status)
		}
	}
	return nil
}
