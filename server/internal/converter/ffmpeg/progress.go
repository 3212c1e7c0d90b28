package ffmpeg

import (
	"io"
	"time"

	"github.com/soundextract/sx/server/internal/converter"
)

// progressWriter reports the progress of what it passes on.
type progressWriter struct {
	w      io.Writer
	start  time.Time
	second int           // bytes of PCM in a second
	end    time.Duration // of the PCM; 0 if unknown
	pass   pass
	source *source
	report func(converter.Progress)

	bytes    int64
	reported time.Time
}

// pass is a part of the work, as shares of all of it.
type pass struct{ from, share float64 }

// rest returns what is left after the pass.
func (p pass) rest() pass {
	from := p.from + p.share
	return pass{from, (1 - from) / 2}
}

const progressInterval = 500 * time.Millisecond

// Write implements io.Writer.
func (p *progressWriter) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	p.bytes += int64(n)
	if now := time.Now(); err == nil && now.Sub(p.reported) >= progressInterval {
		p.reported = now
		p.tell(p.share())
	}
	return n, err
}

func (p *progressWriter) finish() { p.tell(1) }

func (p *progressWriter) share() float64 {
	share := p.source.Position()
	if p.end > 0 {
		share = float64(p.bytes) / float64(p.second) / p.end.Seconds()
	}
	return max(0, min(share, 1))
}

func (p *progressWriter) tell(share float64) {
	share = p.pass.from + share*p.pass.share
	progress := converter.Progress{Percent: 100 * share}
	if share > 0 {
		progress.Remaining = time.Duration(float64(time.Since(p.start)) * (1 - share) / share)
	}
	p.report(progress)
}
