package audioonly_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/soundextract/sx/server/internal/matroska"
)

// node is an element of a Matroska file that a test changes.
type node struct {
	id      uint32
	data    []byte  // of an element without kids
	kids    []*node // nil if the element contains no others that tests change
	endless bool    // write an unknown size
}

var editable = []uint32{
	matroska.Segment, matroska.Cluster, matroska.BlockGroup, matroska.Tracks, matroska.TrackEntry, matroska.Info, matroska.SeekHead,
	matroska.Seek, matroska.Tags, matroska.Tag, matroska.SimpleTag, matroska.EBML,
}

func parseTree(t *testing.T, b []byte) []*node {
	t.Helper()
	var list []*node
	for len(b) > 0 {
		h, err := matroska.ParseHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		b = b[h.Len:]
		n := &node{id: h.ID, endless: h.Size == matroska.UnknownSize}
		size := int(h.Size)
		if n.endless { // only in live files of the test itself: a cluster ends with the next
			size = len(b)
			if h.ID == matroska.Cluster {
				if i := bytes.Index(b, []byte{0x1F, 0x43, 0xB6, 0x75}); i >= 0 {
					size = i
				}
			}
		}
		n.data, b = b[:size], b[size:]
		if slices.Contains(editable, h.ID) {
			n.kids = parseTree(t, n.data)
		}
		list = append(list, n)
	}
	return list
}

func (n *node) append(b []byte) []byte {
	data := n.data
	if n.kids != nil {
		data = nil
		for _, k := range n.kids {
			data = k.append(data)
		}
	}
	if n.endless {
		b = append(matroska.AppendHeader(b, n.id, 0), data...)
		b[len(b)-len(data)-1] = 0xFF
		return b
	}
	return matroska.AppendElement(b, n.id, data)
}

func (n *node) all(id uint32) []*node {
	var found []*node
	for _, k := range n.kids {
		if k.id == id {
			found = append(found, k)
		}
	}
	return found
}

func (n *node) first(id uint32) *node {
	if found := n.all(id); len(found) > 0 {
		return found[0]
	}
	return nil
}

func (n *node) remove(ids ...uint32) {
	n.kids = slices.DeleteFunc(n.kids, func(k *node) bool { return slices.Contains(ids, k.id) })
}

// set changes or adds an element with an integer.
func (n *node) set(id uint32, v uint64) {
	data := matroska.AppendUint(nil, id, v)
	h, _ := matroska.ParseHeader(data)
	if k := n.first(id); k != nil {
		k.data = data[h.Len:]
		return
	}
	n.kids = append(n.kids, &node{id: id, data: data[h.Len:]})
}

// insert adds elements before the first one with the ID, or at the end.
func (n *node) insert(id uint32, nodes ...*node) {
	i := slices.IndexFunc(n.kids, func(k *node) bool { return k.id == id })
	if i < 0 {
		i = len(n.kids)
	}
	n.kids = slices.Insert(n.kids, i, nodes...)
}

// editTree returns an edit of a file's elements. The result has no SeekHead and Cues
// except those that change adds, because places move.
func editTree(change func(t *testing.T, segment *node)) func(*testing.T, []byte) []byte {
	return func(t *testing.T, b []byte) []byte {
		t.Helper()
		top := parseTree(t, b)
		segment := top[len(top)-1]
		segment.remove(matroska.SeekHead, matroska.Cues, matroska.Void, matroska.CRC32)
		for _, id := range []uint32{matroska.Info, matroska.Tracks, matroska.Tags, matroska.Cluster} {
			for _, n := range segment.all(id) {
				n.remove(matroska.CRC32)
			}
		}
		change(t, segment)
		return segment.append(top[0].append(nil))
	}
}

// seekHead adds a SeekHead that names the elements of a segment other than clusters.
func seekHead(segment *node) {
	head := &node{id: matroska.SeekHead}
	targets := slices.DeleteFunc(slices.Clone(segment.kids), func(k *node) bool { return k.id == matroska.Cluster || k.id == matroska.Void })
	for range targets {
		head.kids = append(head.kids, &node{id: matroska.Seek, kids: []*node{
			{id: matroska.SeekID, data: make([]byte, 4)}, {id: matroska.SeekPosition, data: make([]byte, 8)},
		}})
	}
	segment.kids = slices.Insert(segment.kids, 0, head)
	at := 0
	for _, k := range segment.kids {
		if i := slices.Index(targets, k); i >= 0 {
			binary.BigEndian.PutUint32(head.kids[i].kids[0].data, k.id)
			binary.BigEndian.PutUint64(head.kids[i].kids[1].data, uint64(at)) //nolint:gosec // not negative
		}
		at += len(k.append(nil))
	}
}

// text returns an element with bytes.
func text(id uint32, s string) *node { return &node{id: id, data: []byte(s)} }

func integer(id uint32, v uint64) *node {
	n := &node{}
	n.set(id, v)
	return n.kids[0]
}

func master(id uint32, kids ...*node) *node { return &node{id: id, kids: kids} }

// trackEntry returns the entry of the nth track of a type, and its number as it is in
// blocks.
func trackEntry(t *testing.T, segment *node, kind uint64, nth int) (entry *node, number byte) {
	t.Helper()
	for _, e := range segment.first(matroska.Tracks).all(matroska.TrackEntry) {
		if matroska.Uint(e.first(matroska.TrackType).data) != kind {
			continue
		}
		if nth--; nth <= 0 {
			return e, e.first(matroska.TrackNumber).data[0] | 0x80
		}
	}
	t.Fatal("no such track")
	return nil, 0
}

// blocks calls f for each block of a track, a SimpleBlock or in its group, which may
// change it. If f returns false, the block is removed.
func blocks(segment *node, number byte, f func(cluster uint64, block *node) bool) {
	for _, c := range segment.all(matroska.Cluster) {
		at := matroska.Uint(c.first(matroska.Timestamp).data)
		c.kids = slices.DeleteFunc(c.kids, func(k *node) bool {
			b := k
			if k.id == matroska.BlockGroup {
				b = k.first(matroska.Block)
			}
			return b != nil && (b.id == matroska.SimpleBlock || b.id == matroska.Block) && b.data[0] == number && !f(at, b)
		})
	}
}

// lace joins up to three SimpleBlocks of a track that follow one another in a cluster.
func lace(segment *node, number, kind byte) {
	for _, c := range segment.all(matroska.Cluster) {
		var open *node
		var frames [][]byte
		done := func() {
			if len(frames) < 2 {
				open, frames = nil, nil
				return
			}
			data := append(slices.Clone(open.data[:3]), open.data[3]|kind, byte(len(frames)-1))
			for i, f := range frames[:len(frames)-1] {
				switch kind {
				case 0x02: // Xiph
					n := len(f)
					for ; n >= 255; n -= 255 {
						data = append(data, 255)
					}
					data = append(data, byte(n))
				case 0x06: // EBML
					if i == 0 {
						data = matroska.AppendNumber(data, uint64(len(f)))
						continue
					}
					delta := len(f) - len(frames[i-1]) + 1<<13 - 1
					data = append(data, byte(delta>>8)|0x40, byte(delta))
				}
			}
			open.data = slices.Concat(data, bytes.Join(frames, nil))
			open, frames = nil, nil
		}
		c.kids = slices.DeleteFunc(c.kids, func(k *node) bool {
			if k.id != matroska.SimpleBlock || k.data[0] != number {
				return false
			}
			f := k.data[4:]
			if open != nil && (len(frames) == 3 || kind == 0x04 && len(f) != len(frames[0])) {
				done()
			}
			frames = append(frames, f)
			if open == nil {
				open = k
				return false
			}
			return true
		})
		done()
	}
}

// encode stores the audio's frames in another form, which its ContentEncodings describe.
func encode(t *testing.T, segment *node, algorithm uint64, settings []byte, change func([]byte) []byte) {
	t.Helper()
	entry, number := trackEntry(t, segment, 2, 1)
	compression := master(0x5034, integer(0x4254, algorithm))
	if settings != nil {
		compression.kids = append(compression.kids, &node{id: 0x4255, data: settings})
	}
	entry.kids = append(entry.kids, master(matroska.ContentEncodings, master(matroska.ContentEncoding,
		integer(0x5031, 0), integer(0x5032, 1), integer(matroska.ContentEncodingType, 0), compression)))
	blocks(segment, number, func(_ uint64, b *node) bool {
		b.data = append(slices.Clone(b.data[:4]), change(b.data[4:])...)
		return true
	})
}

func deflate(b []byte) []byte {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, _ = w.Write(b) // to memory
	_ = w.Close()
	return out.Bytes()
}

// shift moves the clusters from a time in milliseconds on.
func shift(segment *node, from, by uint64) {
	for _, c := range segment.all(matroska.Cluster) {
		if at := matroska.Uint(c.first(matroska.Timestamp).data); at >= from {
			c.set(matroska.Timestamp, at+by)
		}
	}
}

func float(v float64) []byte { return binary.BigEndian.AppendUint64(nil, math.Float64bits(v)) }

func dataURL(s string) string {
	return "data:text/plain;base64," + base64.StdEncoding.EncodeToString([]byte(s))
}
