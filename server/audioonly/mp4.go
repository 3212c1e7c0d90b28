package audioonly

import "io"

func openMP4(io.ReaderAt, int64, Options) (*File, error) {
	return nil, wholeFile("MP4 files cannot be taken apart yet")
}
