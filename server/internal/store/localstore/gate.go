package localstore

import "sync"

// gate lets only the newest Append of an upload through.
type gate struct {
	// writing is held for each write to the file and recording for each change
	// of the record, but neither while a source is read: a newer Append does
	// not wait for the older one's network.
	writing, recording sync.Mutex
	// newest numbers the Appends. It is changed with both locks held, so it may
	// be read with either.
	newest int64
	users  int // guarded by videos.mu
}

// lock stops all Appends of the upload; the next one may be begun.
func (g *gate) lock() (unlock func()) {
	g.writing.Lock()
	g.recording.Lock()
	return func() {
		g.recording.Unlock()
		g.writing.Unlock()
	}
}

// enter gives the upload's gate, to be given back by leave.
func (v *videos) enter(id string) *gate {
	v.mu.Lock()
	defer v.mu.Unlock()
	g := v.gates[id]
	if g == nil {
		g = &gate{}
		v.gates[id] = g
	}
	g.users++
	return g
}

func (v *videos) leave(id string, g *gate) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if g.users--; g.users == 0 {
		delete(v.gates, id)
	}
}
