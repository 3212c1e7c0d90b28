package space

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/soundextract/sx/server/internal/store"
)

const (
	// taskName is the task in whose state the history is stored.
	taskName = "space"
	// step is the time between two points of the history; keep is how long it goes back.
	step = time.Hour
	keep = 7 * 24 * time.Hour
)

// history is how much of the volume was in use, the oldest point first.
type history []point

type point struct {
	Time int64 `json:"t"` // seconds since 1970
	Used int64 `json:"u"` // bytes
}

// record returns the history, to which it adds a point if one is due. Of several
// processes, the first one adds it.
func (m *Monitor) record(ctx context.Context, s store.Space) (history, error) {
	state, err := m.cfg.Tasks.Get(ctx, taskName)
	if err != nil {
		return nil, err
	}
	if state.Rev != m.rev {
		m.history, m.rev = nil, state.Rev
		if err := json.Unmarshal([]byte(state.Cursor), &m.history); err != nil {
			m.cfg.Log.WarnContext(ctx, "the history of free space cannot be read; starting a new one", "error", err)
		}
	}
	now := m.cfg.Now()
	if store.Ahead(now, state.Next, step) && len(m.history) > 0 {
		return m.history, nil
	}
	h := m.history.add(point{now.Unix(), s.Total - s.Free})
	raw, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encode the history of the free space: %w", err)
	}
	state.Cursor, state.Next = string(raw), now.Add(step)
	if err := m.cfg.Tasks.Replace(ctx, state); err != nil && !errors.Is(err, store.ErrStale) {
		return nil, err
	}
	return h, nil
}

// add appends a point and drops those that are too old, and those that a wrong clock has
// recorded.
func (h history) add(p point) history {
	var kept history
	for _, old := range h {
		if age := p.Time - old.Time; age > 0 && age <= int64(keep/time.Second) {
			kept = append(kept, old)
		}
	}
	return append(kept, p)
}

// Never and unknown are results of full, in seconds.
var (
	never   = math.Inf(1)
	unknown = math.NaN()
)

// horizon is the time beyond which full returns never.
const horizon = 10 * 365 * 24 * time.Hour

// full returns in how many seconds free space will reach the reserve, so that no more
// uploads are admitted. It uses the rate at which usage has grown in the last day, or in
// the last seven days if that was faster. It returns never if usage does not grow or the
// time is beyond horizon, and unknown before half a step has been measured.
func (h history) full(now time.Time, s store.Space, reserve int64) float64 {
	left := s.Free - reserve
	if left <= 0 {
		return 0
	}
	rate, known := 0.0, false // bytes a second
	for _, period := range []time.Duration{24 * time.Hour, keep} {
		for _, p := range h { // the oldest point of the period
			age := now.Sub(time.Unix(p.Time, 0))
			if age > period+step/2 {
				continue
			}
			if age >= step/2 {
				rate, known = max(rate, float64(s.Total-s.Free-p.Used)/age.Seconds()), true
			}
			break
		}
	}
	if !known {
		return unknown
	}
	if seconds := float64(left) / rate; rate > 0 && seconds <= horizon.Seconds() {
		return seconds
	}
	return never
}
