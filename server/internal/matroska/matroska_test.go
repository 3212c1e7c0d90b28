package matroska_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/soundextract/sx/server/internal/matroska"
)

func TestHeaders(t *testing.T) {
	for _, tc := range []struct {
		b    string
		want matroska.Header
		err  error
	}{
		{b: "\xA3\x81", want: matroska.Header{ID: matroska.SimpleBlock, Size: 1, Len: 2}},
		{b: "\x80\x80", want: matroska.Header{ID: matroska.ChapterDisplay, Size: 0, Len: 2}},
		{b: "\x1F\x43\xB6\x75\xFF", want: matroska.Header{ID: matroska.Cluster, Size: matroska.UnknownSize, Len: 5}},
		{b: "\x18\x53\x80\x67\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF", want: matroska.Header{ID: matroska.Segment, Size: matroska.UnknownSize, Len: 12}},
		{b: "\x42\x82\x40\x05more", want: matroska.Header{ID: matroska.DocType, Size: 5, Len: 4}},
		{b: "", err: matroska.ErrShort},
		{b: "\x1F\x43\xB6", err: matroska.ErrShort},
		{b: "\xA3", err: matroska.ErrShort},
		{b: "\xA3\x40", err: matroska.ErrShort},
		{b: "\x00\x00\x00\x00\x00", err: matroska.ErrInvalid},
		{b: "\x08\x00\x00\x00\x01\x81", err: matroska.ErrInvalid},
		{b: "\xFF\x81", err: matroska.ErrInvalid},
		{b: "\x40\x00\x81", err: matroska.ErrInvalid},
		{b: "\xA3\x00", err: matroska.ErrInvalid},
	} {
		got, err := matroska.ParseHeader([]byte(tc.b))
		if got != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%x: %+v, %v; want %+v, %v", tc.b, got, err, tc.want, tc.err)
		}
	}
}

// TestAppend checks that what is written is read as the same, and is the shortest form.
func TestAppend(t *testing.T) {
	for _, id := range []uint32{matroska.SimpleBlock, matroska.DocType, matroska.TimestampScale, matroska.Segment} {
		for _, size := range []int64{0, 1, 126, 127, 128, 1<<14 - 2, 1<<14 - 1, 1<<49 - 1, 1<<56 - 2} {
			b := matroska.AppendHeader(nil, id, size)
			h, err := matroska.ParseHeader(b)
			if err != nil || h.ID != id || h.Size != size || h.Len != len(b) {
				t.Errorf("%X of %d bytes: %+v, %v", id, size, h, err)
			}
		}
	}
	for _, v := range []uint64{0, 1, 126, 127, 1 << 20, 1<<49 - 2} {
		b := matroska.AppendNumber(nil, v)
		if got, n, err := matroska.ParseNumber(b); err != nil || got != v || n != len(b) {
			t.Errorf("number %d: %d of %d bytes, %v", v, got, n, err)
		}
	}
	for v, want := range map[uint64]string{0: "\xE7\x81\x00", 255: "\xE7\x81\xFF", 256: "\xE7\x82\x01\x00", 1 << 63: "\xE7\x88\x80\x00\x00\x00\x00\x00\x00\x00"} {
		got := matroska.AppendUint(nil, matroska.Timestamp, v)
		if !bytes.Equal(got, []byte(want)) {
			t.Errorf("%d: %x, want %x", v, got, want)
		}
		if matroska.Uint(got[2:]) != v {
			t.Errorf("%d is read as %d", v, matroska.Uint(got[2:]))
		}
	}
	if got := matroska.AppendElement(nil, matroska.Void, []byte("abc")); !bytes.Equal(got, []byte("\xEC\x83abc")) {
		t.Errorf("%x", got)
	}
}
