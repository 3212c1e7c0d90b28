package check

import (
	"context"
	"encoding/json"
	"fmt"
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
)

// queue is a queue in RabbitMQ's HTTP API.
type queue struct {
	Name      string `json:"name"`
	Messages  int    `json:"messages"`
	Consumers int    `json:"consumers"`
}

func (env *Env) queues(ctx context.Context) ([]queue, error) {
	name := env.Release + "-rabbitmq"
	secret, err := env.Cluster.Client.CoreV1().Secrets(env.Cluster.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, Skip("", "secret %s not found: RabbitMQ is not part of the release", name)
	}
	if err != nil {
		return nil, env.accessError(err, "read the secrets")
	}
	address, stop, err := env.portForward(ctx, "rabbitmq", managementPort)
	if err != nil {
		return nil, err
	}
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/api/queues?columns=name,messages,consumers", nil)
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth(string(secret.Data[secrets.UsernameKey(secrets.Monitor)]), string(secret.Data[secrets.PasswordKey(secrets.Monitor)]))
	res, err := (&http.Client{}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("RabbitMQ's HTTP API does not respond: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	switch {
	case res.StatusCode == http.StatusUnauthorized:
		return nil, sx.NewError(sx.CodeBadCredentials, "RabbitMQ rejects the password of the secret %s", name).
			WithHint("restore the secret that belongs to the volume, or change the password with: %s", env.Cluster.SX(env.Release, "secrets", "rotate", "rabbitmq"))
	case res.StatusCode != http.StatusOK:
		return nil, sx.NewError(sx.CodeUnavailable, "RabbitMQ's HTTP API responded with %s", res.Status)
	}
	var all []queue
	if err := json.NewDecoder(res.Body).Decode(&all); err != nil {
		return nil, fmt.Errorf("read the queues: %w", err)
	}
	return all, nil
}

func queues(ctx context.Context, env *Env) error {
	all, err := env.queues(ctx)
	if err != nil {
		return err
	}
	for _, q := range all {
		if !strings.HasPrefix(q.Name, "sx.") || strings.HasSuffix(q.Name, ".dead") {
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

func deadLetters(ctx context.Context, env *Env) error {
	all, err := env.queues(ctx)
	if err != nil {
		return err
	}
	var found []string
	for _, q := range all {
		if strings.HasPrefix(q.Name, "sx.") && strings.HasSuffix(q.Name, ".dead") && q.Messages > 0 {
			found = append(found, fmt.Sprintf("%d in %s", q.Messages, q.Name))
		}
	}
	if len(found) > 0 {
		return sx.NewError(sx.CodeUnavailable, "dead-lettered messages: %s", strings.Join(found, ", "))
	}
	return nil
}
