package transfer_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api/client"
)

var errUnreachable = &client.Unreachable{Server: "h:1", Err: errors.New("connection refused")}

// progressLog records what is reported to it.
type progressLog struct {
	mu    sync.Mutex
	start int64 // where the bytes started
	now   int64
	sets  []int64
	said  []string // with Say and Explain
	waits []string
	onSay func(line string) // may be nil
}

func (*progressLog) Percent(string, float64, time.Duration) {}

func (p *progressLog) Start(_ string, done, _ int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.start, p.now = done, done
}

func (p *progressLog) Set(done int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now, p.sets = done, append(p.sets, done)
}

func (p *progressLog) Say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	p.mu.Lock()
	p.said = append(p.said, line)
	p.mu.Unlock()
	if p.onSay != nil {
		p.onSay(line)
	}
}

func (p *progressLog) Explain(format string, args ...any) { p.Say(format, args...) }

func (p *progressLog) Wait(reason string, _ time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waits = append(p.waits, reason)
}

func (p *progressLog) wantSaid(t *testing.T, want string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !strings.Contains(strings.Join(p.said, "\n"), want) {
		t.Errorf("said %q, want %q", p.said, want)
	}
}

func randomBytes(size int) []byte {
	out := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(out) // never fails
	return out
}

// TestMain runs more tests at once than there are processors, because they mostly
// wait for the server's syncs to disk.
func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "8") // a flag of every test program
	m.Run()
}
