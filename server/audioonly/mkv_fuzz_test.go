package audioonly_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/audioonly"
	"github.com/soundextract/sx/server/internal/matroska"
)

// FuzzMKV opens files that begin like Matroska. Whatever they are, the virtual file can be
// read to its end, is smaller, and begins with the index.
func FuzzMKV(f *testing.F) {
	video := newLongMKV(2, 100, 20)
	seed := make([]byte, video.size())
	if _, err := video.ReadAt(seed, 0); err != nil {
		f.Fatal(err)
	}
	f.Add(seed, "")
	f.Add(seed[:len(seed)-50], "1")
	f.Add(everyElement(), "de")
	f.Fuzz(func(t *testing.T, b []byte, track string) {
		copy(b, "\x1A\x45\xDF\xA3")
		size := int64(len(b))
		audio, err := audioonly.Open(bytes.NewReader(b), size, audioonly.Options{Track: track})
		if _, ok := errors.AsType[*audioonly.WholeFileError](err); ok {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(io.NewSectionReader(audio, 0, audio.Size()+1))
		if err != nil || int64(len(got)) != audio.Size() || audio.Size() > size {
			t.Fatalf("%d bytes of %d, from %d, %v", len(got), audio.Size(), size, err)
		}
		if ids := firstIDs(got); !slices.Equal(ids, []uint32{matroska.EBML, matroska.Segment, matroska.Info, matroska.Tracks}) {
			t.Fatalf("begins with the elements %x", ids)
		}
		again, err := audioonly.Open(bytes.NewReader(got), audio.Size(), audioonly.Options{Track: track})
		if _, ok := errors.AsType[*audioonly.WholeFileError](err); err != nil && !ok {
			t.Fatal(err)
		}
		if again != nil && again.Size() > audio.Size() {
			t.Fatal("the audio of the audio is larger")
		}
	})
}

// firstIDs returns the IDs of a file's header, its segment, and the first two elements in that.
func firstIDs(b []byte) (ids []uint32) {
	for len(ids) < 4 {
		h, err := matroska.ParseHeader(b)
		if err != nil {
			return ids
		}
		ids = append(ids, h.ID)
		if b = b[h.Len:]; h.ID != matroska.Segment {
			b = b[max(0, min(h.Size, int64(len(b)))):]
		}
	}
	return ids
}

// everyElement returns a file with each kind of element that is read.
func everyElement() []byte {
	name := text(0x536E, "name")
	segment := master(matroska.Segment,
		text(matroska.Void, "void"),
		master(matroska.Info, integer(matroska.TimestampScale, 1e6)),
		master(matroska.Tracks,
			master(matroska.TrackEntry, integer(matroska.TrackNumber, 1), integer(matroska.TrackType, 1), text(matroska.CodecID, "V_VP9"), name,
				text(matroska.CodecPrivate, "private")),
			master(matroska.TrackEntry, integer(matroska.TrackNumber, 2), integer(matroska.TrackType, 2), text(matroska.CodecID, "A_AAC"),
				text(matroska.Language, "ger"), text(matroska.LanguageBCP47, "de-AT"),
				master(matroska.ContentEncodings, master(matroska.ContentEncoding, integer(matroska.ContentEncodingType, 0)))),
			master(matroska.TrackEntry, integer(matroska.TrackNumber, 300), integer(matroska.TrackType, 17), text(matroska.CodecID, "S_TEXT/UTF8"))),
		mkvChapters(0, 0, 500),
		master(matroska.Attachments, master(matroska.AttachedFile, text(matroska.FileMediaType, "font/ttf"), text(matroska.FileData, "data")),
			master(matroska.AttachedFile, text(matroska.FileMediaType, "image/png"), text(matroska.FileData, "data"))),
		master(matroska.Cluster, integer(matroska.Timestamp, 0), integer(matroska.Position, 1), integer(matroska.PrevSize, 1),
			text(matroska.SimpleBlock, "\x81\x00\x00\x80"+strings.Repeat("picture ", 100)),
			text(matroska.SimpleBlock, "\x82\x00\x00\x86\x01frames"),
			text(matroska.SimpleBlock, "\x81\x00\x10\x80"+strings.Repeat("picture ", 100)),
			master(matroska.BlockGroup, text(matroska.Block, "\x41\x2C\x00\x00\x00text"), integer(matroska.BlockDuration, 1), integer(matroska.ReferenceBlock, 1)),
			master(matroska.BlockGroup, text(matroska.Block, "\x82\x00\x20\x00audio"), integer(matroska.DiscardPadding, 1))),
		master(matroska.Cluster, integer(matroska.Timestamp, 20_000), text(matroska.SimpleBlock, "\x82\x00\x00\x80audio")),
		master(matroska.Tags, master(matroska.Tag, master(matroska.Targets, integer(matroska.TagTrackUID, 2)),
			master(matroska.SimpleTag, text(0x45A3, "TITLE"), text(0x4487, "Talk")))),
	)
	segment.endless = true
	for _, c := range segment.all(matroska.Cluster) {
		c.endless = true
	}
	seekHead(segment)
	return segment.append(master(matroska.EBML, text(matroska.DocType, "webm"), integer(matroska.EBMLMaxIDLength, 4)).append(nil))
}

// TestMKVSeeds checks that the seeds of the fuzz test are files whose audio is taken out.
func TestMKVSeeds(t *testing.T) {
	b := everyElement()
	if _, err := audioonly.Open(bytes.NewReader(b), int64(len(b)), audioonly.Options{Track: "de"}); err != nil {
		t.Error(err)
	}
}
