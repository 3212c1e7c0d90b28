package audioonly

import "io"

func openTS(io.ReaderAt, int64, Options) (*File, error) {
	return nil, wholeFile("transport streams cannot be taken apart yet")
}
