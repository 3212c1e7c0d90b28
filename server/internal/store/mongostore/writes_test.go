package mongostore_test

import (
	"context"
	"net/url"
	"slices"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
)

// weakened returns a URI whose options let MongoDB acknowledge writes that a failover
// loses.
func weakened(t *testing.T, uri string) string {
	t.Helper()
	u, err := url.Parse(uri)
	check(t, err)
	q := u.Query()
	q.Set("w", "1")
	q.Set("journal", "false")
	u.RawQuery = q.Encode()
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String()
}

// writes checks that the writes of a suite wait until a majority has them, so that what is
// acknowledged survives a failover.
type writes struct {
	mu   sync.Mutex
	seen map[string]int    // by command
	weak map[string]string // by command, the write concern that a majority need not have
}

func newWrites() *writes { return &writes{seen: map[string]int{}, weak: map[string]string{}} }

// monitor records writes, and passes all commands on.
func (w *writes) monitor(next *event.CommandMonitor) *event.CommandMonitor {
	both := *next
	both.Started = func(ctx context.Context, e *event.CommandStartedEvent) {
		w.add(e.CommandName, e.Command)
		next.Started(ctx, e)
	}
	return &both
}

func (w *writes) add(name string, command bson.Raw) {
	concern, err := command.LookupErr("writeConcern")
	writes := slices.Contains([]string{"insert", "update", "delete", "findAndModify", "bulkWrite"}, name)
	if err != nil && !writes {
		return
	}
	// Without j, MongoDB waits for the journals of the majority.
	document, _ := concern.DocumentOK()
	level, _ := document.Lookup("w").StringValueOK()
	_, journal := document.LookupErr("j")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[name]++
	if level != "majority" || journal == nil {
		w.weak[name] = concern.String()
	}
}

func (w *writes) check(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range []string{"insert", "update", "delete"} {
		if w.seen[name] == 0 {
			t.Errorf("no command %s was recorded", name)
		}
	}
	for name, concern := range w.weak {
		t.Errorf("the write concern of a command %s is %q, not majority", name, concern)
	}
	t.Logf("writes: %v", w.seen)
}
