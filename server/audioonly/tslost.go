package audioonly

// lost keeps bytes that are not packets: up to where packets follow each other again, in
// b or at its end, or the incomplete packet at the end of the file. It returns their
// number.
func (s *tsScan) lost(b []byte, at int64) (int, error) {
	unit, atEnd := s.grid.unit, at+int64(len(b)) == s.in.size
	n := 1
	for ; n < len(b) && !s.follows(b[n:], atEnd); n++ {
		if !atEnd && len(b)-n <= tsInRow*unit {
			break // what follows is not there yet
		}
	}
	if at+int64(n) < s.in.size {
		if err := s.damage(); err != nil {
			return 0, err
		}
	}
	s.recent.keep()
	s.add(at, int64(n), true)
	s.hold = holdPackets
	return n, nil
}

// damage records that sound may be missing: decoding may continue with another track.
func (s *tsScan) damage() error {
	if s.mode.track == "" {
		return nil
	}
	s.mode.track = ""
	return errTSMode
}

// follows reports whether packets follow each other at the beginning of b.
func (s *tsScan) follows(b []byte, atEnd bool) bool {
	n := 0
	for i := s.grid.lead; i < len(b); i += s.grid.unit {
		if b[i] != tsSync {
			return false
		}
		if n++; n == tsInRow {
			return true
		}
	}
	return atEnd && n > 0
}

// tsRecent are the last packets, which a change that follows can make worth keeping.
type tsRecent struct {
	packets [holdPackets]struct {
		at, n int64
		keep  bool
	}
	next int
}

// add adds a packet and moves the oldest one to the layout.
func (r *tsRecent) add(at, n int64, keep bool, out *layout) {
	p := &r.packets[r.next]
	r.next = (r.next + 1) % len(r.packets)
	if p.keep {
		out.source(p.at, p.n)
	}
	p.at, p.n, p.keep = at, n, keep
}

// keep keeps all of them.
func (r *tsRecent) keep() {
	for i := range r.packets {
		r.packets[i].keep = true
	}
}

// flush moves all of them to the layout.
func (r *tsRecent) flush(out *layout) {
	for range r.packets {
		r.add(0, 0, false, out)
	}
}

func (s *tsScan) add(at, n int64, keep bool) { s.recent.add(at, n, keep, &s.out) }
