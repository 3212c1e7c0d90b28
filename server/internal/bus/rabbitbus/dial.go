package rabbitbus

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/soundextract/sx/server/sx"
)

const (
	// heartbeat is the pace at which both sides show that they live.
	heartbeat = 10 * time.Second
	// handshakeLimit bounds connecting, TLS and login together.
	handshakeLimit = 15 * time.Second
)

// dialer makes connections to the configured broker.
type dialer struct {
	url     string // with the password: never in a message, never logged
	user    string
	broker  string // the URL without user and password
	setting string
	app     string
	denied  int // logins refused in a row
}

func newDialer(cfg Config) (*dialer, error) {
	uri, err := amqp.ParseURI(cfg.URL)
	if err != nil {
		// The parser's words may quote the password.
		return nil, sx.NewError(sx.CodeInvalid, "the message broker's URL cannot be read").
			WithHint("set %s to amqp://user:password@host:5672/ or amqps://user:password@host:5671/, "+
				"with %%XX for characters such as / ? # @ in the password", settingName(cfg.Setting))
	}
	broker := url.URL{Scheme: uri.Scheme, Host: net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port))}
	return &dialer{
		url: cfg.URL, user: uri.Username, broker: broker.String() + "/" + url.PathEscape(uri.Vhost),
		setting: settingName(cfg.Setting), app: cfg.Name,
	}, nil
}

func settingName(s string) string {
	if s == "" {
		return "the broker's URL"
	}
	return s
}

// dial makes a connection for the purpose, which the broker shows in its name.
func (d *dialer) dial(ctx context.Context, purpose string) (*wire, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeLimit)
	defer cancel()
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(fmt.Sprintf("%s %s", d.app, purpose))
	var raw net.Conn
	stop := func() bool { return true }
	conn, err := amqp.DialConfig(d.url, amqp.Config{
		Heartbeat:  heartbeat,
		Properties: properties,
		Dial: func(network, addr string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			raw = c
			// The handshake reads and writes: it ends with ctx too.
			stop = context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
			return c, nil
		},
	})
	if err == nil && !stop() {
		err = ctx.Err()
	}
	if err != nil {
		if raw != nil {
			_ = raw.Close()
		}
		return nil, d.judge(err)
	}
	d.denied = 0
	return newWire(conn), nil
}
