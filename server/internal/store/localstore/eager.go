package localstore

import "os"

// eagerSize is after how many bytes a file is written to the disk.
const eagerSize = 8 << 20

// eagerWriter writes a file to the disk while the file grows. Otherwise its sync at the end
// would have to wait for all of it.
type eagerWriter struct {
	file     *os.File
	unsynced int
	synced   chan error // the result of the running sync; nil if there is none
}

func (w *eagerWriter) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	if w.unsynced += n; err != nil || w.unsynced < eagerSize {
		return n, err
	}
	if err := w.wait(); err != nil {
		return n, err
	}
	w.unsynced, w.synced = 0, make(chan error, 1)
	go func() { w.synced <- syncData(w.file) }()
	return n, nil
}

// wait returns the result of the last sync. It must not be lost: the system reports an
// error only once.
func (w *eagerWriter) wait() error {
	if w.synced == nil {
		return nil
	}
	err := <-w.synced
	w.synced = nil
	return err
}
