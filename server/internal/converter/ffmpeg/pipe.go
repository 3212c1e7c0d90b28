package ffmpeg

import (
	"fmt"
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

// gather is how long either side of an encoder's pipe waits for more frames or space, so
// that it wakes up less often. An encoder takes longer to fill or empty its pipes.
const gather = 10 * time.Millisecond

// gatherPCM is the same for reading PCM: a decoder fills its pipe in twice the time.
const gatherPCM = 4 * time.Millisecond

// gathered reads what has gathered after some time, unless there is enough at once.
type gathered struct {
	*os.File
	wait time.Duration
}

// Read implements io.Reader.
func (g gathered) Read(p []byte) (int, error) {
	if available(g.File) < len(p) {
		t := time.NewTimer(g.wait)
		<-t.C
	}
	return g.File.Read(p)
}
