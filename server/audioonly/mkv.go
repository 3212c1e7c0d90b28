package audioonly

import "io"

func openMKV(io.ReaderAt, int64, Options) (*File, error) {
	return nil, wholeFile("Matroska files cannot be taken apart yet")
}
