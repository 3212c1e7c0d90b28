package standalone

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/atomicfile"
	"github.com/soundextract/sx/server/internal/sandbox"
	"github.com/soundextract/sx/server/sx"
)

// instanceFile is the file by which other processes find the server of a data
// directory. The instance is also in the response of /healthz: a process ID alone may
// have been reused by another process.
type instanceFile struct {
	PID      int    `json:"pid"`
	Addr     string `json:"addr"`
	URL      string `json:"url"`
	Instance string `json:"instance"`
	Version  string `json:"version"`
	Owner    string `json:"owner"` // the name of the owner's account
	// Sandbox is what protects the server from ffmpeg.
	Sandbox sandbox.Protection `json:"sandbox"`
	// Backup is the secret that a request for a backup needs; see api.PathLocalBackup.
	Backup string `json:"backup"`
}

func (f instanceFile) write(data string) error {
	f.PID, f.URL, f.Version = os.Getpid(), "http://"+f.Addr, sx.Version
	raw, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("encode the instance file: %w", err)
	}
	path := filepath.Join(data, api.InstanceFile)
	if err := atomicfile.Clean(path); err != nil {
		return fmt.Errorf("clean up after an earlier crash: %w", err)
	}
	if err := atomicfile.Write(path, raw, 0o600); err != nil {
		return fmt.Errorf("write the instance file: %w", err)
	}
	return nil
}

func removeInstanceFile(data string) { _ = os.Remove(filepath.Join(data, api.InstanceFile)) }
