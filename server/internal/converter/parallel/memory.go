package parallel

import (
	"fmt"
	"sync"
)

// blockSize is the unit in which memory for PCM is taken, in bytes.
const blockSize = 256 << 10

// minBlocks is what every conversion may hold whatever the others hold, so that it
// can always go on with one encoder, and steer another one.
const minBlocks = 20

// Memory bounds the PCM that the conversions of a converter hold. They share it
// equally: with n of them open, each may hold an n-th, and at least 5 MiB.
type Memory struct {
	mu     sync.Mutex
	blocks int // in total
	open   int
	held   int
	free   [][]byte
	// changed is closed, and replaced, when a conversion may hold more than before.
	changed chan struct{}
}

// NewMemory returns a bound of that many bytes.
func NewMemory(bytes int64) *Memory {
	return &Memory{blocks: int(bytes / blockSize), changed: make(chan struct{})}
}

// DefaultMemory returns the bound for a number of encoders, in bytes: 72 MiB for up to
// four, and 18 MiB more for each further one. That is 47 s of stereo PCM at 48 kHz for
// each encoder, which keeps the share of the chunks' lead-ins below a seventh.
func DefaultMemory(encoders int) int64 { return int64(max(encoders, 4)) * 18 << 20 }

func (m *Memory) enter() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open++
}

// leave ends a conversion, which returned its blocks before.
func (m *Memory) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open--; m.open == 0 {
		for _, b := range m.free {
			deallocate(b)
		}
		m.free = nil
	}
	m.notify()
}

// share returns how many bytes each conversion may hold at the moment.
func (m *Memory) share() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int64(m.shareBlocks()) * blockSize
}

func (m *Memory) shareBlocks() int { return max(minBlocks, m.blocks/max(m.open, 1)) }

// take returns a block for a conversion that holds the given number of them. If it may
// not hold more at the moment, it returns nil and a channel that is closed when that
// may have changed.
func (m *Memory) take(held int) ([]byte, <-chan struct{}, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if held >= minBlocks && (held >= m.shareBlocks() || m.held >= m.blocks) {
		return nil, m.changed, nil
	}
	if n := len(m.free); n > 0 {
		block := m.free[n-1]
		m.free = m.free[:n-1]
		m.held++
		return block, nil, nil
	}
	block, err := allocate(blockSize)
	if err != nil {
		return nil, nil, fmt.Errorf("allocate memory for PCM: %w", err)
	}
	m.held++
	return block, nil, nil
}

// put returns a block.
func (m *Memory) put(block []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held--
	m.free = append(m.free, block)
	m.notify()
}

func (m *Memory) notify() {
	close(m.changed)
	m.changed = make(chan struct{})
}
