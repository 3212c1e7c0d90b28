package ffmpeg

import (
	"fmt"
	"os"
	"time"
)

// Sizes of pipes in bytes, where the system allows them: the more a pipe holds, the less
// often both sides must wake up.
const (
	pcmPipe   = 1 << 20
	framePipe = 256 << 10
)

// pipe returns both ends of a pipe that holds size bytes, if the system allows it.
func pipe(size int) (r, w *os.File, err error) {
	if r, w, err = blockingPipe(); err != nil {
		return nil, nil, fmt.Errorf("creating a pipe: %w", err)
	}
	resize(w, size)
	return r, w, nil
}

// How long a side waits for more bytes or more space, so that it wakes up less often: not
// longer than the programs take to fill or empty half of their pipes, and for frames not so
// long that an encoder that is about to be free waits for the next chunk.
const (
	gatherPCM     = time.Millisecond // from the decoder
	gatherSpace   = 10 * time.Millisecond
	gatherEncoded = 10 * time.Millisecond
)

// gathered reads what has gathered after some time, unless there is enough at once. It hides
// that the file is one, which io.Copy would read directly.
type gathered struct {
	file *os.File
	wait time.Duration
}

// Read implements io.Reader.
func (g gathered) Read(p []byte) (int, error) {
	if available(g.file) < len(p) && !ended(g.file) {
		t := time.NewTimer(g.wait)
		<-t.C
	}
	if err := awaitInput(g.file); err != nil {
		return 0, err
	}
	return g.file.Read(p)
}
