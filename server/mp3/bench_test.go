package mp3_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/soundextract/sx/server/mp3"
)

// BenchmarkHour takes an hour of sound apart, lays it out again and makes its Info
// frame.
func BenchmarkHour(b *testing.B) {
	for _, rec := range []recording{recordings[0], recordings[1], recordings[3]} {
		b.Run(rec.String(), func(b *testing.B) {
			stream, frames := rec.frames(b), rec.parsed(b)
			times := 3600 * rec.rate / (1152 * len(frames))
			b.SetBytes(int64(times * len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				info := newInfo(b, rec)
				vbr := rec.setting.bitRate == 0
				layout := mp3.NewLayout(info, vbr, recordedVersion)
				r := mp3.NewReader(&repeated{stream: stream, times: times})
				for {
					f, err := r.Next()
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
					f.NearReservoirLimit(layout.Reservoir())
					if _, err := layout.Add(f); err != nil && !errors.Is(err, mp3.ErrPadding) { // between two repetitions
						b.Fatal(err)
					}
				}
				if err := layout.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// repeated reads a stream several times.
type repeated struct {
	stream []byte
	times  int
	rest   bytes.Reader
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.rest.Len() == 0 {
		if r.times == 0 {
			return 0, io.EOF
		}
		r.times--
		r.rest.Reset(r.stream)
	}
	return r.rest.Read(p)
}
