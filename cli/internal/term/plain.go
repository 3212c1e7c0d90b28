package term

import (
	"fmt"
	"time"
)

// Without a terminal, a file gets a line every 10% but at most once a second, and at
// least every ten seconds.
const (
	plainAtMost  = time.Second
	plainAtLeast = 10 * time.Second
)

// plain is what was printed for a bar.
type plain struct {
	at     time.Time // of the last line
	tenth  int
	waited time.Time // of the last line about waiting
}

// line prints a line about the bar.
func (p *plain) line(b *ProgressBar, text string) {
	if !b.display.live {
		b.display.sayLocked(b.name + ": " + text)
		p.at = time.Now()
	}
}

func (p *plain) start(b *ProgressBar, text string) {
	p.tenth = int(b.fraction() * 10)
	p.line(b, text)
}

func (p *plain) tick(b *ProgressBar) {
	if b.display.live {
		return
	}
	now, tenth := time.Now(), int(b.fraction()*10)
	since := now.Sub(p.at)
	if since < plainAtMost || (tenth == p.tenth && since < plainAtLeast) {
		return
	}
	p.tenth = tenth
	var v view
	b.measure(&v, now)
	text := fmt.Sprintf("%s %d%%", b.phase, int(100*b.fraction()))
	for _, s := range []string{v.bytes, FormatRate(v.perSecond), v.left} {
		if s != "" {
			text += ", " + s
		}
	}
	p.line(b, text)
	b.display.plainTotal()
}

func (p *plain) wait(b *ProgressBar) {
	now := time.Now()
	if b.until.Sub(now) < plainAtMost || now.Sub(p.waited) < plainAtLeast {
		return
	}
	p.waited = now
	p.line(b, b.waitText(now))
}
