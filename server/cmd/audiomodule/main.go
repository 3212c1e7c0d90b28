//go:build js && wasm

// Command audiomodule is package audioonly for browsers, compiled to WebAssembly. A worker of
// the web page runs one for each upload: it calls openAudio once, and then readAudio.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"syscall/js"

	"github.com/soundextract/sx/server/audioonly"
)

func main() {
	var audio *audioonly.File
	js.Global().Set("openAudio", js.FuncOf(func(_ js.Value, args []js.Value) any {
		f, err := audioonly.Open(&source{read: args[0], size: int64(args[1].Float())}, int64(args[1].Float()), audioonly.Options{Track: args[2].String()})
		if e, ok := errors.AsType[*audioonly.WholeFileError](err); ok {
			return map[string]any{"whole": e.Reason}
		}
		if err != nil {
			return map[string]any{"error": err.Error()}
		}
		// It depends on the place of every sample.
		first := sha256.New()
		if _, err := io.Copy(first, io.NewSectionReader(f, 0, min(f.Size(), firstBytes))); err != nil {
			return map[string]any{"error": err.Error()}
		}
		audio = f
		return map[string]any{
			"form": fmt.Sprintf("audio%d", audioonly.Version), "size": f.Size(), "first": hex.EncodeToString(first.Sum(nil)),
		}
	}))
	// readAudio fills an array from an offset, and returns whether it could.
	js.Global().Set("readAudio", js.FuncOf(func(_ js.Value, args []js.Value) any {
		piece := make([]byte, args[0].Length())
		if n, err := audio.ReadAt(piece, int64(args[1].Float())); n < len(piece) || err != nil && !errors.Is(err, io.EOF) {
			return false
		}
		js.CopyBytesToJS(args[0], piece)
		return true
	}))
	select {}
}

// firstBytes are those whose digest says whether the audio is that of an earlier visit.
const firstBytes = 1 << 20

// blockSize is how many bytes are read at once: the audio lies in small ranges.
const blockSize = 256 << 10

// source is a file of the browser. It is used by one call at a time.
type source struct {
	read js.Value // a function of an offset and a length: an Uint8Array, or null if that fails
	size int64

	at    int64
	block []byte
}

// ReadAt implements io.ReaderAt.
func (s *source) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		if off >= s.size {
			return n, io.EOF
		}
		if off < s.at || off >= s.at+int64(len(s.block)) {
			if err := s.fill(off); err != nil {
				return n, err
			}
		}
		c := copy(p[n:], s.block[off-s.at:])
		n, off = n+c, off+int64(c)
	}
	return n, nil
}

func (s *source) fill(off int64) error {
	want := min(blockSize, s.size-off)
	found := s.read.Invoke(off, want)
	if found.IsNull() || int64(found.Length()) != want {
		s.block = nil
		return errors.New("the file cannot be read")
	}
	if s.block == nil {
		s.block = make([]byte, blockSize)
	}
	s.at, s.block = off, s.block[:want]
	js.CopyBytesToGo(s.block, found)
	return nil
}
