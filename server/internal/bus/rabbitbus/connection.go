package rabbitbus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/soundextract/sx/server/sx"
)

const (
	// heartbeat is how often both sides show that they are alive.
	heartbeat = 10 * time.Second
	// handshakeTimeout bounds connecting, TLS and login together.
	handshakeTimeout = 15 * time.Second
	// closeTimeout bounds the graceful close of a connection.
	closeTimeout = time.Second
)

// errConnectionLost is the error of operations in progress on a connection that ended.
var errConnectionLost = errors.New("the connection to the message broker was lost")

// connection is a connection that knows when and why it ended.
type connection struct {
	conn  *amqp.Connection
	ended chan struct{}
	err   error // written before ended is closed
}

func (c *connection) lost() <-chan struct{} { return c.ended }

func (c *connection) reason() error { return c.err }

// causedBy reports whether err comes from the connection's end, as opposed to
// the end of one channel.
func (c *connection) causedBy(err error) bool {
	var broken *net.OpError
	if !c.conn.IsClosed() && !errors.As(err, &broken) {
		return false
	}
	<-c.ended // will be closed soon
	return true
}

// close ends the connection and with it everything that runs on it.
func (c *connection) close() {
	// An error only means that it was not closed gracefully.
	_ = c.conn.CloseDeadline(time.Now().Add(closeTimeout))
	<-c.ended
}

func newConnection(conn *amqp.Connection) *connection {
	c := &connection{conn: conn, ended: make(chan struct{})}
	ends := conn.NotifyClose(make(chan *amqp.Error, 1))
	go func() {
		c.err = errConnectionLost
		if err := <-ends; err != nil { // nil if this side closed it
			c.err = err
		}
		close(c.ended)
	}()
	return c
}

// dialer makes connections to the configured broker.
type dialer struct {
	url     string // contains the password: never logged or in a message
	user    string
	broker  string // the URL without user and password
	setting string
	app     string
	host    string
	secure  bool // the URL requires TLS
	tls     func(host string) (*tls.Config, error)
	refused int // logins in a row
}

func newDialer(cfg Config) (*dialer, error) {
	uri, err := amqp.ParseURI(cfg.URL)
	if err != nil {
		// The parser's error may quote the password.
		return nil, sx.NewError(sx.CodeInvalid, "malformed URL of the message broker").
			WithHint("set %s to amqp://user:password@host:5672/ or amqps://user:password@host:5671/, "+
				"with %%XX for characters such as / ? # @ in the password", settingName(cfg.Setting))
	}
	broker := url.URL{Scheme: uri.Scheme, Host: net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port))}
	return &dialer{
		url: cfg.URL, user: uri.Username, broker: broker.String() + "/" + url.PathEscape(uri.Vhost),
		setting: settingName(cfg.Setting), app: cfg.Name,
		host: uri.Host, secure: uri.Scheme == "amqps", tls: cfg.TLS,
	}, nil
}

func settingName(s string) string {
	if s == "" {
		return "the broker's URL"
	}
	return s
}

// dial makes a connection for the purpose, which the broker shows in its name.
func (d *dialer) dial(ctx context.Context, purpose string) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(fmt.Sprintf("%s %s", d.app, purpose))
	var config *tls.Config // nil leaves it to the URL
	if d.tls != nil && d.secure {
		var err error
		if config, err = d.tls(d.host); err != nil {
			return nil, err
		}
	}
	var raw net.Conn
	stop := func() bool { return true }
	conn, err := amqp.DialConfig(d.url, amqp.Config{
		Heartbeat:       heartbeat,
		Properties:      properties,
		TLSClientConfig: config,
		Dial: func(network, addr string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			raw = c
			// The handshake takes no context, so a deadline ends its reads and writes.
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
		return nil, d.classify(err)
	}
	d.refused = 0
	return newConnection(conn), nil
}

// open makes a connection and prepares the exchanges and queues on it.
func (d *dialer) open(ctx context.Context, purpose string, n names) (*connection, error) {
	c, err := d.dial(ctx, purpose)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, c.close)() // the broker's answer may not come
	if err := n.prepareOn(c.conn); err != nil {
		c.close()
		return nil, d.classify(err)
	}
	return c, nil
}
