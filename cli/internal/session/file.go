package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"

	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/sx"
)

// file stores which accounts are signed in to which servers, and the sessions that are
// not in the keyring.
type file struct{ path string }

// content is the content of the file.
type content struct {
	Servers map[string]*server `json:"servers"`
}

// server is what the file has about one server.
type server struct {
	Current  string             `json:"current,omitempty"` // the account in use
	Accounts map[string]Session `json:"accounts"`          // by name; without tokens if they are in the keyring
}

// at returns what the file has about a server; the result can be changed.
func (c *content) at(name string) *server {
	s := c.Servers[name]
	if s == nil {
		s = &server{}
		c.Servers[name] = s
	}
	if s.Accounts == nil {
		s.Accounts = map[string]Session{}
	}
	return s
}

func (f file) read() (content, error) {
	all := content{Servers: map[string]*server{}}
	if f.path == "" {
		return all, nil
	}
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return all, fmt.Errorf("read the sessions: %w", err)
	}
	// Windows has no permission bits; only the user can read the directory there.
	if info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return all, sx.NewError(sx.CodeInvalid, "%s is readable by other users", f.path).
			WithHint("restrict it with: chmod 600 %q", f.path)
	}
	raw, err := os.ReadFile(f.path)
	if err != nil {
		return all, fmt.Errorf("read the sessions: %w", err)
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		return all, nextcmd.WithHint(sx.NewError(sx.CodeInvalid, "%s is damaged", f.path).WithCause(err),
			"remove the file, then sign in again with: %s", nextcmd.Command{"login"})
	}
	if all.Servers == nil {
		all.Servers = map[string]*server{}
	}
	return all, nil
}

// write stores the content, without servers of which it has nothing. If there is
// nothing at all, it removes the file.
func (f file) write(all content) error {
	for _, name := range slices.Collect(maps.Keys(all.Servers)) {
		if s := all.Servers[name]; s == nil || s.Current == "" && len(s.Accounts) == 0 {
			delete(all.Servers, name)
		}
	}
	raw, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the sessions: %w", err)
	}
	if err := config.WriteFile(f.path, append(raw, '\n')); err != nil {
		return fmt.Errorf("store the session: %w", err)
	}
	return nil
}
