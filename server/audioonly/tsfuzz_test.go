package audioonly_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/soundextract/sx/server/audioonly"
)

// tsWriter writes a stream without ffmpeg.
type tsWriter struct {
	out      []byte
	counters [1 << 13]byte
	at       int // the time of the next packet that has one, in 1/25 s
}

func (w *tsWriter) packet(id int, start bool, payload []byte) {
	head := []byte{tsSyncByte, byte(id >> 8), byte(id), 0x10 | w.counters[id]}
	if start {
		head[1] |= 0x40
	}
	w.counters[id] = (w.counters[id] + 1) & 15
	w.out = append(append(append(w.out, head...), payload...), bytes.Repeat([]byte{0xFF}, 184-len(payload))...)
}

func (w *tsWriter) pes(id int, stream byte, data ...byte) {
	pts := w.at * 3600
	w.at++
	head := []byte{0, 0, 1, stream, 0, 0, 0x80, 0x80, 5, 0x21 | byte(pts>>29&0xE), byte(pts >> 22), byte(pts>>14) | 1, byte(pts >> 7), byte(pts<<1) | 1}
	w.packet(id, true, append(head, data...))
}

func (w *tsWriter) picture() { w.pes(tsVideoID, 0xE0) }

func (w *tsWriter) sound(id int, format byte) {
	w.pes(id, 0xC0, 0xFF, 0xF1, format, 0x80, 0, 0, 0, 0, 0, 0)
}

// tables writes the tables of a program with a picture and sounds with the given identifiers.
func (w *tsWriter) tables(sounds ...byte) {
	withCRC := func(b []byte) []byte {
		b[3] = byte(len(b))
		return binary.BigEndian.AppendUint32(b, crc(b[1:]))
	}
	w.packet(0, true, withCRC([]byte{0, 0, 0xB0, 0, 0, 1, 0xC1, 0, 0, 0, 1, 0xE0 | tsPMT>>8, tsPMT & 0xFF}))
	pmt := []byte{0, 2, 0xB0, 0, 0, 1, 0xC1, 0, 0, 0xE1, 0, 0xF0, 0, 0x1B, 0xE1, 0, 0xF0, 0}
	for _, id := range sounds {
		pmt = append(pmt, 0x0F, 0xE1, id, 0xF0, 0)
	}
	w.packet(tsPMT, true, withCRC(pmt))
}

// run writes what a sequence of operations says, each of two bytes.
func (w *tsWriter) run(ops []byte) {
	for ; len(ops) >= 2; ops = ops[2:] {
		switch n := ops[1]; ops[0] % 9 {
		case 0:
			for range n {
				w.packet(tsVideoID, false, nil)
			}
		case 1:
			w.picture()
		case 2:
			w.sound(tsAudioID+int(n%3), 0x50)
		case 3:
			w.packet(tsAudioID+int(n%3), false, nil)
		case 4:
			w.tables(1, 2)
		case 5:
			w.tables(n, 2)
		case 6:
			w.out = append(w.out, bytes.Repeat([]byte{n}, int(n))...)
		case 7:
			w.at += int(n) * 500
		case 8:
			w.sound(tsAudioID+int(n%3), n)
		}
	}
}

// FuzzTS reads streams that begin as usual, for which operations decide how they continue,
// up to bytes without any order.
func FuzzTS(f *testing.F) {
	f.Add([]byte{0, 200, 2, 0, 2, 1, 1, 0, 0, 100, 4, 0, 2, 0, 3, 0}, []byte{}, "", uint16(0))
	f.Add([]byte{0, 200, 5, 9, 2, 0, 0, 200, 7, 255, 2, 0}, []byte{1, 2, 3}, "2", uint16(77))
	f.Add([]byte{0, 200, 6, 71, 0, 200, 2, 0, 8, 0x60, 0, 255, 1, 0, 0, 255}, []byte{}, "de", uint16(4))
	f.Add([]byte{0, 255, 1, 0, 0, 255, 5, 0, 1, 0, 0, 255}, []byte("G"), "", uint16(188))
	f.Fuzz(func(t *testing.T, ops, tail []byte, track string, skip uint16) {
		var w tsWriter
		for i := range 80 {
			if i%10 == 0 {
				w.tables(1, 2)
			}
			w.picture()
			w.packet(tsVideoID, false, nil)
			w.sound(tsAudioID, 0x50)
			w.sound(tsAudioID+1, 0x50)
		}
		w.run(ops[:min(len(ops), 200)])
		b := append(w.out, tail...)[min(int(skip), 4096):]
		open := func() []byte {
			file, err := audioonly.Open(bytes.NewReader(b), int64(len(b)), audioonly.Options{Track: track})
			if err != nil {
				if _, ok := errors.AsType[*audioonly.WholeFileError](err); !ok {
					t.Fatal(err)
				}
				return nil
			}
			out := make([]byte, file.Size())
			if _, err := io.ReadFull(io.NewSectionReader(file, 0, file.Size()), out); err != nil {
				t.Fatal(err)
			}
			return out
		}
		got := open()
		if !bytes.Equal(got, open()) {
			t.Error("the same file gave other bytes")
		}
		if got == nil || track != "" {
			return
		}
		// All that sounds is there, in the same order.
		mark := []byte{0, 0, 1, 0xC0}
		want := bytes.Count(b, mark)
		if n := bytes.Count(got, mark); n != want {
			t.Errorf("%d packets of sound of %d", n, want)
		}
	})
}
