// Package sniff detects a file's media container from its first bytes and refuses
// everything else. ffmpeg is then given the format and never probes: its probing
// would let a playlist named .mp4 open connections and other files.
package sniff

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/soundextract/sx/server/sx"
)

// Len is the number of first bytes that is enough for every format. A shorter
// file is checked as a whole.
const Len = 4096

// Format is a media container.
type Format struct {
	Name    string // to show, such as "Matroska"
	Demuxer string // ffmpeg's demuxer, for its option -f
}

// Sniff detects the container of the file that starts with head; only the first Len
// bytes count. For a playlist or script that refers to other files it returns
// an *sx.Error of code playlist, and for everything else one of code not_media.
func Sniff(head []byte) (Format, error) {
	head = head[:min(len(head), Len)]
	if f, ok := media(head); ok {
		return f, nil
	}
	if tag, ok := id3Size(head); ok {
		if tag < int64(len(head)) {
			if f, ok := media(head[tag:]); ok {
				return f, nil
			}
		}
		// The audio follows a picture; most files with an ID3 tag are MP3s.
		return mp3, nil
	}
	return Format{}, refuse(head)
}

// Read is Sniff for a whole file. It also reads what follows a long ID3 tag,
// which FLAC and AAC files can have too. Errors of src are wrapped. The
// position of src is undefined afterwards.
func Read(src io.ReadSeeker) (Format, error) {
	head, err := readAt(src, 0)
	if err != nil {
		return Format{}, err
	}
	if tag, ok := id3Size(head); ok && tag >= int64(len(head)) {
		behind, err := readAt(src, tag)
		if err != nil {
			return Format{}, err
		}
		if f, ok := media(behind); ok {
			return f, nil
		}
	}
	return Sniff(head)
}

func readAt(src io.ReadSeeker, offset int64) ([]byte, error) {
	if _, err := src.Seek(offset, io.SeekStart); err != nil {
		return nil, fmt.Errorf("seek to the first bytes: %w", err)
	}
	head := make([]byte, Len)
	n, err := io.ReadFull(src, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read the first bytes: %w", err)
	}
	return head[:n], nil
}

// id3Size returns the length of the ID3v2 tag at the start of head, with its header
// and footer (id3.org, ID3v2.4 §3.1), and false if there is none.
func id3Size(head []byte) (int64, bool) {
	if len(head) < 10 || !bytes.HasPrefix(head, []byte("ID3")) || head[3] == 0xFF || head[4] == 0xFF {
		return 0, false
	}
	size := int64(0)
	for _, b := range head[6:10] {
		if b >= 0x80 {
			return 0, false
		}
		size = size<<7 | int64(b)
	}
	if head[5]&0x10 != 0 {
		size += 10
	}
	return size + 10, true
}

func refuse(head []byte) error {
	if kind, ok := playlist(head); ok {
		return sx.NewError(sx.CodePlaylist, "the file is %s, not a recording", kind)
	}
	if kind := other(head); kind != "" {
		return sx.NewError(sx.CodeNotMedia, "the file is %s, not a video or audio file", kind)
	}
	return sx.NewError(sx.CodeNotMedia, "the file is not a video or audio file of a known format")
}
