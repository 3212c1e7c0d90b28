package check

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/server/sx"
)

const (
	// managementPort is that of RabbitMQ's HTTP API in its pod. It is asked, and
	// not rabbitmqctl, because a port-forward needs less permission than exec.
	managementPort = 15672
	// manyWaiting is a queue that keeps a converter busy for hours.
	manyWaiting = 500
)

// queue is what RabbitMQ's HTTP API says about one.
type queue struct {
	Name      string `json:"name"`
	Messages  int    `json:"messages"`
	Consumers int    `json:"consumers"`
}

func (env *Env) queues(ctx context.Context) ([]queue, error) {
	name := env.Release + "-rabbitmq"
	secret, err := env.Cluster.Client.CoreV1().Secrets(env.Cluster.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, Skip("", "there is no secret %s: RabbitMQ is not part of the release", name)
	}
	if err != nil {
		return nil, denied(err, "read the secrets")
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
	req.SetBasicAuth(string(secret.Data["username"]), string(secret.Data["password"]))
	res, err := (&http.Client{}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("RabbitMQ's management does not answer: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	switch {
	case res.StatusCode == http.StatusUnauthorized:
		return nil, sx.NewError(sx.CodeBadCredentials, "RabbitMQ does not take the password of the secret %s", name).
			WithHint("restore the secret that the volume was made with; a new password comes with: sx secrets rotate")
	case res.StatusCode != http.StatusOK:
		return nil, sx.NewError(sx.CodeUnavailable, "RabbitMQ's management answered %s", res.Status)
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
			return &severityOverride{sx.NewError(sx.CodeUnavailable, "%d messages wait in the queue %s, and nobody takes them", q.Messages, q.Name).
				WithHint("see why with: kubectl --context %s -n %s get pods -l app.kubernetes.io/instance=%s", env.Cluster.Context, env.Cluster.Namespace, env.Release), Fatal}
		case q.Messages > manyWaiting:
			return sx.NewError(sx.CodeUnavailable, "%d messages wait in the queue %s", q.Messages, q.Name)
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
		return sx.NewError(sx.CodeUnavailable, "messages were given up: %s", strings.Join(found, ", "))
	}
	return nil
}
