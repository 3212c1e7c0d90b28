package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/sx"
)

// file stores the sessions of all accounts as one JSON object.
type file struct{ path string }

func (f file) get(account string) (Session, error) {
	all, err := f.read()
	if err != nil {
		return Session{}, err
	}
	in, ok := all[account]
	if !ok {
		return Session{}, ErrNoSession
	}
	return in, nil
}

// put stores an account's session, or removes it if it is nil.
func (f file) put(account string, in *Session) error {
	all, err := f.read()
	if err != nil {
		return err
	}
	if in != nil {
		all[account] = *in
	} else if _, exists := all[account]; exists {
		delete(all, account)
	} else {
		return nil
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

func (f file) read() (map[string]Session, error) {
	all := map[string]Session{}
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the sessions: %w", err)
	}
	// Windows has no permission bits; only the user can read the directory there.
	if info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, sx.NewError(sx.CodeInvalid, "%s is readable by other users", f.path).
			WithHint("restrict it with: chmod 600 %q", f.path)
	}
	raw, err := os.ReadFile(f.path)
	if err != nil {
		return nil, fmt.Errorf("read the sessions: %w", err)
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, nextcmd.WithHint(sx.NewError(sx.CodeInvalid, "%s is damaged", f.path).WithCause(err),
			"remove the file, then sign in again with: %s", nextcmd.Command{"login"})
	}
	return all, nil
}
