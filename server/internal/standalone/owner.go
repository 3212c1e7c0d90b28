package standalone

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/atomicfile"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// isLoopback reports whether only this machine can connect to the listener.
func isLoopback(l net.Listener) bool {
	tcp, ok := l.Addr().(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// writeOwnerToken writes a new owner's token into the data directory and returns it. It
// replaces whatever is there, including a link. The token of an earlier start becomes
// invalid, because another user may have got it by listening on the address of a server
// that had crashed.
func writeOwnerToken(data string) (string, error) {
	path := filepath.Join(data, api.OwnerTokenFile)
	if err := atomicfile.Clean(path); err != nil {
		return "", fmt.Errorf("clean up after an earlier crash: %w", err)
	}
	secret := token.NewOwner()
	if err := atomicfile.Write(path, []byte(secret+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write the owner's token: %w", err)
	}
	return secret, nil
}

func removeOwnerToken(data string) { _ = os.Remove(filepath.Join(data, api.OwnerTokenFile)) }

// ensureOwner creates the owner's account if necessary. An owner whom no token signs
// in must have a password.
func (d *dependencies) ensureOwner(ctx context.Context, a apis) (sx.User, error) {
	owner, err := a.auth.EnsureOwner(ctx, d.cfg.OwnerPassword)
	if err != nil {
		return owner, fmt.Errorf("prepare the owner's account: %w", err)
	}
	if d.ownerToken == "" && owner.PasswordHash == "" {
		return owner, sx.NewError(sx.CodeUnauthenticated, "the account %s has no password, which a server at %s needs: other machines can reach it", owner.Name, d.cfg.Addr).
			WithHint("name a file that contains one with --owner-password-file")
	}
	return owner, nil
}

// onlyLocalHosts refuses requests for another host than this machine. A page of another
// site whose name resolves to 127.0.0.1 (DNS rebinding) sends that name.
func onlyLocalHosts(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocalHost(r.Host) {
			api.WriteError(w, sx.NewError(sx.CodeForbidden, "this server answers only requests for this machine, not for %q", r.Host).
				WithHint("use http://127.0.0.1 and the server's port; a proxy in front of the server must send that as Host"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isLocalHost reports whether a Host header names this machine by its loopback
// interface. RFC 6761 section 6.3 reserves localhost and the names below it.
func isLocalHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	if ip := net.ParseIP(name); ip != nil {
		return ip.IsLoopback()
	}
	name = strings.TrimSuffix(name, ".")
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}
