package standalone

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/soundextract/sx/server/sx"
)

// cardName is the file in the data folder by which others find the process.
const cardName = "sxd.json"

// card tells who serves the data folder. The instance is what the process
// answers on /healthz: a process id alone may belong to a stranger by now.
type card struct {
	PID      int    `json:"pid"`
	Addr     string `json:"addr"`
	URL      string `json:"url"`
	Instance string `json:"instance"`
	Version  string `json:"version"`
}

func (c card) write(data string) error {
	c.PID, c.URL, c.Version = os.Getpid(), "http://"+c.Addr, sx.Version
	raw, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode %s: %w", cardName, err)
	}
	// Whoever reads it must never see half of it.
	temp := filepath.Join(data, cardName+".new")
	if err := os.WriteFile(temp, raw, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", cardName, err)
	}
	if err := os.Rename(temp, filepath.Join(data, cardName)); err != nil {
		return fmt.Errorf("write %s: %w", cardName, err)
	}
	return nil
}

func removeCard(data string) { _ = os.Remove(filepath.Join(data, cardName)) }
