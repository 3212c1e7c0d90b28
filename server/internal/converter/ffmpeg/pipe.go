package ffmpeg

import (
	"fmt"
	"io"
	"os"
	"time"
)

// pipeSize is how much a pipe for PCM holds, in bytes, where the system allows it: the
// more, the less often both sides must wake up.
const pipeSize = 1 << 20

// pipe returns both ends of a pipe for PCM.
func pipe() (r, w *os.File, err error) {
	if r, w, err = os.Pipe(); err != nil {
		return nil, nil, fmt.Errorf("creating a pipe: %w", err)
	}
	growPipe(w)
	return r, w, nil
}

// gather is how long either side of a pipe waits for more data or space.
const gather = 4 * time.Millisecond

// gathered reads what has gathered after some time, instead of waking up for each frame
// of a few hundred bytes.
type gathered struct{ io.Reader }

// Read implements io.Reader.
func (g gathered) Read(p []byte) (int, error) {
	pause()
	return g.Reader.Read(p)
}

func pause() {
	t := time.NewTimer(gather)
	<-t.C
}
