package rabbitbus

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/soundextract/sx/server/sx"
)

// unavailable is the error while the broker is unreachable.
func unavailable(cause error) error {
	return sx.NewError(sx.CodeUnavailable, "the message broker is unreachable").WithCause(cause)
}

// refusal is a failure that needs an operator, so retrying does not help.
type refusal struct {
	message string
	hint    string
	cause   error
}

func (r *refusal) Error() string { return fmt.Sprintf("%s: %v; %s", r.message, r.cause, r.hint) }
func (r *refusal) Unwrap() error { return r.cause }

func isRefusal(err error) bool {
	var r *refusal
	return errors.As(err, &r)
}

// maxLogins is how many logins in a row must fail before the credentials count
// as rejected: the broker rejects them by closing the connection, which it also
// does when it stops.
const maxLogins = 2

// classify returns err, as a *refusal if it is one.
func (d *dialer) classify(err error) error {
	var (
		reply       *amqp.Error
		certificate *tls.CertificateVerificationError
		noTLS       tls.RecordHeaderError
		file        *fs.PathError
	)
	switch {
	case errors.Is(err, amqp.ErrCredentials):
		if d.refused++; d.refused < maxLogins {
			return err
		}
		return &refusal{
			message: fmt.Sprintf("the message broker %s rejected the credentials of user %q", d.broker, d.user),
			hint: fmt.Sprintf("check the user and password in %s; "+
				"RabbitMQ accepts the user guest only from localhost", d.setting),
			cause: err,
		}
	case errors.As(err, &certificate), errors.As(err, &noTLS), errors.As(err, &file):
		return &refusal{
			message: fmt.Sprintf("cannot establish a trusted TLS connection to the message broker %s", d.broker),
			hint: fmt.Sprintf("check the scheme, host, port and certificates in %s; "+
				"?cacertfile=PATH names a private certificate authority", d.setting),
			cause: err,
		}
	case errors.As(err, &reply) && reply.Server:
		return d.classifyReply(reply)
	case errors.As(err, &reply) && reply.Code == amqp.FrameError:
		// Not a refusal: a proxy may respond while the broker is away.
		return fmt.Errorf("what responds at %s is not RabbitMQ: %w", d.broker, err)
	default:
		return err
	}
}

// classifyReply classifies an error that the broker sent.
func (d *dialer) classifyReply(reply *amqp.Error) error {
	r := &refusal{message: fmt.Sprintf("the message broker %s denied access to user %q", d.broker, d.user), cause: reply}
	switch reply.Code {
	case amqp.NotAllowed:
		if strings.Contains(reply.Reason, "limit") || strings.Contains(reply.Reason, "is down") {
			return reply
		}
		r.hint = fmt.Sprintf("check that the virtual host, which is the path in %s, exists and that the user has access to it", d.setting)
	case amqp.AccessRefused:
		r.hint = fmt.Sprintf("grant the user of %s the permissions of its service, "+
			"which docs/install.md lists, with: rabbitmqctl set_permissions", d.setting)
	case amqp.PreconditionFailed:
		r.message = fmt.Sprintf("a queue or exchange of the message broker %s was declared with other arguments", d.broker)
		r.hint = "drain and delete it; it is then declared again"
	default:
		return reply
	}
	return r
}

// openError is the error of Open when err prevents a session.
func (d *dialer) openError(err error) error {
	var r *refusal
	if errors.As(err, &r) {
		return sx.NewError(sx.CodeInvalid, "%s", r.message).WithHint("%s", r.hint).WithCause(r.cause)
	}
	return sx.NewError(sx.CodeUnavailable, "the message broker %s is unreachable", d.broker).
		WithHint("start the broker, or correct %s", d.setting).WithCause(err)
}
