package rabbitbus

import (
	"errors"
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// farewellLimit bounds the orderly end of a connection.
const farewellLimit = time.Second

// errLost is what befalls whatever was under way on a connection that ended.
var errLost = errors.New("the connection to the message broker was lost")

// wire is one connection and the news of its end.
type wire struct {
	conn *amqp.Connection
	gone chan struct{}
	err  error // written before gone is closed
}

func (w *wire) lost() <-chan struct{} { return w.gone }

func (w *wire) reason() error { return w.err }

// ended reports whether err came of the connection's end, as opposed to one
// channel's.
func (w *wire) ended(err error) bool {
	var broken *net.OpError
	if !w.conn.IsClosed() && !errors.As(err, &broken) {
		return false
	}
	<-w.gone // which comes at once
	return true
}

// close ends the connection, and with it everything that runs on it.
func (w *wire) close() {
	// An error only says that it ended in another way.
	_ = w.conn.CloseDeadline(time.Now().Add(farewellLimit))
	<-w.gone
}

func newWire(conn *amqp.Connection) *wire {
	w := &wire{conn: conn, gone: make(chan struct{})}
	ends := conn.NotifyClose(make(chan *amqp.Error, 1))
	go func() {
		w.err = errLost
		if err := <-ends; err != nil { // nothing comes when the end was ours
			w.err = err
		}
		close(w.gone)
	}()
	return w
}
