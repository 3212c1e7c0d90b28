package mediafiles

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/soundextract/sx/server/backoff"
)

// Watcher finds files in directories once they are completely written.
type Watcher struct {
	want   Select
	args   []string
	events *fsnotify.Watcher // nil if the system reports none
	state  map[string]seen   // by path
	failed map[string]string // the messages of failures that were returned, by name
}

// seen is the state of a file when it was last looked at.
type seen struct {
	size    int64
	modTime time.Time
	since   time.Time // when it was first seen in this state
	taken   bool      // it was returned by Next
}

const (
	// settle is how long a file must not change before it counts as complete.
	settle = 2 * time.Second
	// old is the age from which a file counts as complete when it is first seen.
	old = time.Minute
	// poll is how often directories are read without an event: drives that others
	// write to over the network report none.
	poll = 10 * time.Second
	// burst is how long to wait for more events after the first.
	burst = 200 * time.Millisecond
)

// Watch starts watching the directories among the arguments. The caller must call Close.
func Watch(args []string) *Watcher { return Select{}.Watch(args) }

// Watch is the function Watch for the files that are wanted.
func (s Select) Watch(args []string) *Watcher {
	w := &Watcher{want: s, args: args, state: map[string]seen{}, failed: map[string]string{}}
	if events, err := fsnotify.NewWatcher(); err == nil {
		w.events = events
	}
	return w
}

// Close stops watching.
func (w *Watcher) Close() {
	if w.events != nil {
		_ = w.events.Close()
	}
}

// Next waits until files that it has not returned before, or that have changed since,
// are completely written: they do not change, and as far as the system tells, no program
// has them open for writing. It returns each failure once. Its error is that of ctx.
func (w *Watcher) Next(ctx context.Context) (Found, error) {
	for {
		w.follow()
		// The content of a file that is not complete yet says nothing.
		found, waiting := w.look(w.want.find(w.args, false), time.Now())
		if len(found.Files)+len(found.Failures) > 0 {
			return found, nil
		}
		pause := poll
		if waiting {
			pause = settle
		}
		if err := w.wait(ctx, pause); err != nil {
			return Found{}, err
		}
	}
}

// look returns what is to be returned of found; waiting reports whether a file is not
// complete yet.
func (w *Watcher) look(found Found, now time.Time) (next Found, waiting bool) {
	next = Found{Several: true}
	first := len(w.state) == 0
	present := map[string]seen{}
	for _, f := range found.Files {
		s, known := w.state[f.Path]
		if !known || s.size != f.Size || !s.modTime.Equal(f.ModTime) {
			s = seen{size: f.Size, modTime: f.ModTime, since: now}
			if first && now.Sub(f.ModTime) > old {
				s.since = now.Add(-settle)
			}
		}
		switch {
		case s.taken:
		case now.Sub(s.since) < settle || hasWriter(f.Path):
			waiting = true
		default:
			s.taken = true
			next.Files = append(next.Files, f)
		}
		present[f.Path] = s
	}
	w.state = present
	failed := map[string]string{}
	for _, f := range found.Failures {
		// Empty files and empty directories may be filled later.
		if f.Err.Message == messageEmpty || strings.HasPrefix(f.Err.Message, messageNone) {
			continue
		}
		failed[f.Name] = f.Err.Message
		if w.failed[f.Name] != f.Err.Message {
			next.Failures = append(next.Failures, f)
		}
	}
	w.failed = failed
	return next, waiting
}

// follow asks for the events of all directories. Those that cannot be watched are read
// by polling.
func (w *Watcher) follow() {
	if w.events == nil {
		return
	}
	for _, arg := range w.args {
		root, err := filepath.EvalSymlinks(arg)
		if err != nil {
			continue
		}
		_ = filepath.WalkDir(root, func(at string, entry fs.DirEntry, _ error) error {
			switch {
			case entry == nil || !entry.IsDir():
			case at != root && strings.HasPrefix(entry.Name(), "."):
				return fs.SkipDir
			default:
				_ = w.events.Add(at) // again is nothing
			}
			return nil
		})
	}
}

// wait waits for the pause, or for the end of a burst of events.
func (w *Watcher) wait(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	var events chan fsnotify.Event
	var lost chan error // events were lost, or there are no more
	if w.events != nil {
		events, lost = w.events.Events, w.events.Errors
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	case _, ok := <-lost:
		if !ok {
			w.events = nil
		}
		return nil
	case <-events:
	}
	if err := backoff.Sleep(ctx, burst); err != nil {
		return err
	}
	for {
		select {
		case <-events:
		default:
			return nil
		}
	}
}

// IsDir reports whether the argument is a directory.
func IsDir(arg string) bool {
	info, err := os.Stat(arg)
	return err == nil && info.IsDir()
}
