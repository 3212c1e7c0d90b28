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

// refusal is a failure that waiting does not mend.
type refusal struct {
	message string
	hint    string
	cause   error
}

func (r *refusal) Error() string { return fmt.Sprintf("%s: %v; %s", r.message, r.cause, r.hint) }
func (r *refusal) Unwrap() error { return r.cause }

func refused(err error) bool {
	var r *refusal
	return errors.As(err, &r)
}

// deniedLimit is how many logins in a row must fail to count as refused. The
// broker refuses one by hanging up, as it also does when it stops in the middle.
const deniedLimit = 2

// judge makes a refusal of an error that is one, and returns others as they are.
func (d *dialer) judge(err error) error {
	var (
		reply       *amqp.Error
		certificate *tls.CertificateVerificationError
		noTLS       tls.RecordHeaderError
		file        *fs.PathError
	)
	switch {
	case errors.Is(err, amqp.ErrCredentials):
		if d.denied++; d.denied < deniedLimit {
			return err
		}
		return &refusal{
			message: fmt.Sprintf("the message broker %s refuses the login of user %q", d.broker, d.user),
			hint: fmt.Sprintf("check user and password in %s; "+
				"the user guest may only sign in on the broker's own machine", d.setting),
			cause: err,
		}
	case errors.As(err, &certificate), errors.As(err, &noTLS), errors.As(err, &file):
		return &refusal{
			message: fmt.Sprintf("no trusted TLS connection to the message broker %s", d.broker),
			hint: fmt.Sprintf("check scheme, host, port and certificates in %s; "+
				"?cacertfile=PATH names a certificate authority of your own", d.setting),
			cause: err,
		}
	case errors.As(err, &reply) && reply.Server:
		return d.judgeReply(reply)
	default:
		return err
	}
}

// judgeReply judges what the broker itself gave as its reason.
func (d *dialer) judgeReply(reply *amqp.Error) error {
	r := &refusal{message: fmt.Sprintf("the message broker %s refuses user %q", d.broker, d.user), cause: reply}
	switch reply.Code {
	case amqp.NotAllowed:
		if strings.Contains(reply.Reason, "limit") || strings.Contains(reply.Reason, "is down") {
			return reply
		}
		r.hint = fmt.Sprintf("check the virtual host, the path in %s, and that the user may use it", d.setting)
	case amqp.AccessRefused:
		r.hint = fmt.Sprintf("give the user of %s the permissions to configure, write and read "+
			"with: rabbitmqctl set_permissions", d.setting)
	case amqp.PreconditionFailed:
		r.message = fmt.Sprintf("a queue or exchange at the message broker %s was declared differently", d.broker)
		r.hint = "settle what is in it, delete it, and it is declared anew"
	default:
		return reply
	}
	return r
}

// explain makes the error that Open returns of why there is no connection.
func (d *dialer) explain(err error) error {
	var r *refusal
	if errors.As(err, &r) {
		return sx.NewError(sx.CodeInvalid, "%s", r.message).WithHint("%s", r.hint).WithCause(r.cause)
	}
	return sx.NewError(sx.CodeUnavailable, "the message broker %s is not reachable", d.broker).
		WithHint("start the broker, or correct %s", d.setting).WithCause(err)
}
