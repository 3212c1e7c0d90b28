package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
)

// proxy forwards clients' messages to the backend, and its replies back. A command
// that may write has exclusive access to the backend.
type proxy struct {
	backend string
	data    string // the backend's directory
	access  sync.RWMutex
	indexed map[namespace]bool // guarded by access
}

func (p *proxy) accept(ctx context.Context, l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		go p.serve(ctx, client)
	}
}

func (p *proxy) serve(ctx context.Context, client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := new(net.Dialer).DialContext(ctx, "tcp", p.backend)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	for {
		request, err := readMessage(client)
		if err != nil {
			return
		}
		reply, err := p.exchange(ctx, server, request)
		if err != nil {
			return
		}
		if _, err := client.Write(reply); err != nil {
			return
		}
	}
}

// The parts of a message that are read; see the MongoDB wire protocol.
const (
	opCode     = 12 // offset of the opcode, after length, request id and response id
	opMsg      = 2013
	flagBits   = 16
	moreToCome = 1 << 1 // a request without a reply
	body       = 21     // the first section's document, after its kind
	firstKey   = body + 5
)

func (p *proxy) exchange(ctx context.Context, server net.Conn, request []byte) (reply []byte, err error) {
	name := command(request)
	switch name {
	case "hello", "ismaster", "isMaster", "ping", "buildInfo", "endSessions":
		// They touch no data, and the driver uses them to check that the server
		// is alive.
	case "find", "getMore", "aggregate", "count", "distinct", "listCollections", "listIndexes", "listDatabases", "dbStats":
		p.access.RLock()
		defer p.access.RUnlock()
	default:
		p.access.Lock()
		defer p.access.Unlock()
	}
	if name == "delete" {
		request = byID(request)
	}
	if _, err := server.Write(request); err != nil {
		return nil, err
	}
	if name != "" && binary.LittleEndian.Uint32(request[flagBits:])&moreToCome != 0 {
		return nil, nil
	}
	if reply, err = readMessage(server); err != nil {
		return nil, err
	}
	switch name {
	case "dbStats":
		return withDisk(reply, p.data)
	case "create", "createIndexes", "insert", "update", "findAndModify":
		return reply, p.indexIDs(ctx, target(request, name))
	case "drop", "dropDatabase", "renameCollection":
		clear(p.indexed)
	}
	return reply, nil
}

// command returns the request's name, or "" for a message other than OP_MSG.
func command(message []byte) string {
	if len(message) <= firstKey || binary.LittleEndian.Uint32(message[opCode:]) != opMsg {
		return ""
	}
	name, _, _ := bytes.Cut(message[firstKey:], []byte{0})
	return string(name)
}

func readMessage(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(size[:])
	if n < flagBits || n > 48_000_000 {
		return nil, errors.New("a message is longer than the protocol allows")
	}
	message := make([]byte, n)
	copy(message, size[:])
	_, err := io.ReadFull(r, message[len(size):])
	return message, err
}
