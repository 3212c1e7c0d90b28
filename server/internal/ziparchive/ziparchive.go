// Package ziparchive writes ZIP archives of files whose sizes are known, so that the size of
// an archive is known before its first byte is written. Files are stored without compression;
// their names are UTF-8.
package ziparchive

import (
	"archive/zip"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// File is a file of an archive.
type File struct {
	Name     string // relative, with slashes
	Size     int64
	Modified time.Time // stored in UTC, to two seconds
}

// The flags and versions of APPNOTE.TXT, sections 4.4.3 and 4.4.4.
const (
	flagDescriptor = 1 << 3  // the checksum follows the content
	flagUTF8       = 1 << 11 // the name is UTF-8
	version20      = 20
	version45      = 45 // ZIP64

	maxSize32 = 1<<32 - 1
)

// Write writes an archive of the files. open opens the one with the index, which is read once
// and closed. A file that has another size than stated is an error. After an error, what was
// written is not a complete archive, because it lacks its directory.
func Write(w io.Writer, files []File, open func(i int) (io.ReadCloser, error)) error {
	buf := make([]byte, 128<<10)
	return write(w, files, func(i int, content io.Writer) (checksum uint32, err error) {
		src, err := open(i)
		if err != nil {
			return 0, err
		}
		defer func() { _ = src.Close() }() // read only
		sum := crc32.NewIEEE()
		n, err := io.CopyBuffer(io.MultiWriter(content, sum), io.LimitReader(src, files[i].Size+1), buf)
		if err == nil && n != files[i].Size {
			err = fmt.Errorf("the size of %s is not %d bytes, as it was when the archive was begun", files[i].Name, files[i].Size)
		}
		return sum.Sum32(), err
	})
}

// Size returns the number of bytes that Write writes.
func Size(files []File) (int64, error) {
	var size counter
	zeros := make([]byte, 1<<20)
	err := write(&size, files, func(i int, content io.Writer) (uint32, error) {
		for left := files[i].Size; left > 0; left -= int64(len(zeros)) {
			if _, err := content.Write(zeros[:min(left, int64(len(zeros)))]); err != nil {
				return 0, err
			}
		}
		return 0, nil
	})
	return int64(size), err
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// write writes the archive; put writes the content of a file and returns its checksum.
func write(w io.Writer, files []File, put func(i int, content io.Writer) (uint32, error)) error {
	archive := zip.NewWriter(w)
	for i, f := range files {
		h := header(f)
		content, err := archive.CreateRaw(h)
		if err != nil {
			return fmt.Errorf("add %s: %w", f.Name, err)
		}
		// The archive keeps a pointer to the header, and writes its checksum after the content.
		if h.CRC32, err = put(i, content); err != nil {
			return err
		}
	}
	return archive.Close()
}

func header(f File) *zip.FileHeader {
	size := uint64(f.Size)
	h := &zip.FileHeader{
		Name: f.Name, Method: zip.Store, Flags: flagDescriptor | flagUTF8,
		CreatorVersion: version20, ReaderVersion: version20,
		CompressedSize64: size, UncompressedSize64: size,
	}
	if size >= maxSize32 {
		h.ReaderVersion = version45
	}
	h.SetModTime(f.Modified.UTC()) //nolint:staticcheck // CreateRaw does not use Modified
	return h
}
