package localserver

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/url"
	"path/filepath"
	"syscall"

	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/sx"
)

// DefaultAddr is where a local server listens unless another address was used before.
const DefaultAddr = "127.0.0.1:8740"

// Request asks for a local server.
type Request struct {
	Addr     string // host:port; "" is the one used last, or else DefaultAddr if it is free
	Data     string // the data directory; "" is the one used last, or else the default
	Detached bool   // the server outlives sx and the terminal

	Settings map[string]string // flags of sxd by name, which are remembered
	Password string            // see Options
}

// Up is a local server that runs.
type Up struct {
	Instance
	Dir     string
	Context string  // the name of its context, which is the current one
	Server  *Server // nil if it was running before
	First   bool    // it is the directory's first start
}

// Ensure starts the server that the request asks for, unless it runs, and makes its
// context the current one in the config file.
func Ensure(ctx context.Context, r Request) (*Up, error) {
	file, err := config.ReadUserFile()
	if err != nil {
		return nil, err
	}
	dir, err := Dir(r.Data, file.LastData())
	if err != nil {
		return nil, err
	}
	up := &Up{Dir: filepath.Clean(dir), Context: file.NameForData(filepath.Clean(dir))}
	_, known := file.Contexts[up.Context]
	up.First = !known
	running, err := Running(ctx, up.Dir)
	if err != nil {
		return nil, err
	}
	if running != nil {
		return up, up.useRunning(file, running, r)
	}
	program, err := Find()
	if err != nil {
		return nil, err
	}
	up.Server, err = Start(ctx, Options{
		Program: program, Addr: r.address(ctx, up.Dir, file.Contexts[up.Context]), Dir: up.Dir,
		Detached: r.Detached, Settings: r.Settings, Password: r.Password,
	})
	if err != nil {
		// Another process may have started it first.
		if running, _ := Running(ctx, up.Dir); running != nil {
			return up, up.useRunning(file, running, r)
		}
		return nil, err
	}
	up.Instance = up.Server.Instance
	if err := errors.Join(remember(up.Dir, r.Settings), up.use(file)); err != nil {
		return nil, up.Server.Stop(ctx, err)
	}
	return up, nil
}

// useRunning makes the context of the server that is already running the current one.
func (up *Up) useRunning(file *config.File, running *Instance, r Request) error {
	stopFirst := func(format string, args ...any) error {
		return sx.NewError(sx.CodeConflict, format, args...).WithHint("stop it first, with: %s", nextcmd.Line("sx", "down", "--data", up.Dir))
	}
	if r.Addr != "" && r.Addr != running.Addr {
		return stopFirst("the local server is already running at %s", running.Addr)
	}
	known, err := Settings(up.Dir)
	if err != nil {
		return err
	}
	changed := maps.Clone(known)
	maps.Copy(changed, r.Settings)
	maps.DeleteFunc(changed, func(_, value string) bool { return value == "" })
	if !maps.Equal(known, changed) {
		return stopFirst("the local server is already running with other settings")
	}
	up.Instance = *running
	return up.use(file)
}

func (up *Up) use(file *config.File) error {
	if err := file.Put(up.Context, config.Context{Server: up.URL, Data: up.Dir}); err != nil {
		return err
	}
	return file.Save()
}

// address returns the address to listen on: the requested one, or else that of the
// directory's last server. An address that other machines can reach must be requested
// each time. If another program uses the address and it was not requested, a free port
// is taken.
func (r *Request) address(ctx context.Context, dir string, former config.Context) string {
	if r.Addr != "" {
		return r.Addr
	}
	addr, before := DefaultAddr, former.Server
	if crashed := Recorded(dir); crashed != nil {
		before = crashed.URL
	}
	if u, err := url.Parse(before); err == nil && u.Port() != "" {
		addr = u.Host
	}
	if inUse(ctx, addr) {
		return "127.0.0.1:0"
	}
	return addr
}

// inUse reports whether another program listens on the address.
func inUse(ctx context.Context, addr string) bool {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err == nil {
		_ = l.Close()
	}
	return errors.Is(err, syscall.EADDRINUSE)
}

// PasswordRequired reports whether a server did not start because other machines could
// reach it and its owner has no password.
func PasswordRequired(err error) bool { return sx.CodeOf(err) == sx.CodeUnauthenticated }

// IsLoopback reports whether only this machine can reach the address host:port.
func IsLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err != nil || host == "localhost" || ip != nil && ip.IsLoopback()
}

// Location is where a local server is, or would be started.
type Location struct {
	Dir  string
	Addr string
	file *config.File
	name string // of its context
}

// Locate returns the location of the server that a data directory asks for: "" is the
// one used last, or else the default.
func Locate(ctx context.Context, data string) (*Location, error) {
	file, err := config.ReadUserFile()
	if err != nil {
		return nil, err
	}
	dir, err := Dir(data, file.LastData())
	if err != nil {
		return nil, err
	}
	dir = filepath.Clean(dir)
	at := &Location{Dir: dir, file: file, name: file.NameForData(dir)}
	r := Request{}
	if in, err := Running(ctx, dir); err == nil && in != nil && IsLoopback(in.Addr) {
		at.Addr = in.Addr
	} else {
		at.Addr = r.address(ctx, dir, file.Contexts[at.name])
	}
	return at, createDir(dir)
}

// Stop stops the server if it runs.
func (at *Location) Stop(ctx context.Context) error {
	in, err := Running(ctx, at.Dir)
	if err != nil || in == nil {
		return err
	}
	return Stop(ctx, at.Dir, in)
}

// Await waits until the server, which another program starts, is ready, and makes its
// context the current one.
func (at *Location) Await(parent context.Context) (*Instance, error) {
	ctx, cancel := context.WithTimeout(parent, startTimeout)
	defer cancel()
	var in *Instance
	err := until(ctx, func() bool {
		in, _ = Running(ctx, at.Dir)
		return in != nil && ready(ctx, in)
	})
	switch {
	case parent.Err() != nil:
		return nil, parent.Err()
	case err != nil:
		return nil, sx.NewError(sx.CodeUnavailable, "the local server was not ready after %s", startTimeout).WithCause(err).
			WithHint("see its log: %s", LogPath(at.Dir))
	}
	up := &Up{Instance: *in, Dir: at.Dir, Context: at.name}
	return in, up.use(at.file)
}
