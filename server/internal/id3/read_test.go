package id3_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/soundextract/sx/server/internal/id3"
)

// v2 returns a tag of version 2 around frames.
func v2(version, flags byte, frames ...string) string {
	body := strings.Join(frames, "")
	return "ID3" + string([]byte{version, 0, flags}) + string(sizeOf(len(body))) + body
}

func f22(id, body string) string {
	return id + string([]byte{byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}) + body
}

func f23(id string, flags uint16, body string) string {
	b := binary.BigEndian.AppendUint32([]byte(id), uint32(len(body)))
	return string(binary.BigEndian.AppendUint16(b, flags)) + body
}

func f24(id string, flags uint16, body string) string {
	return string(binary.BigEndian.AppendUint16(append([]byte(id), sizeOf(len(body))...), flags)) + body
}

// utf16le and utf16be encode a text; the first one with a byte order mark.
func utf16le(s string) string { return "\xFF\xFE" + encode16(s, binary.LittleEndian) }
func utf16be(s string) string { return encode16(s, binary.BigEndian) }

func encode16(s string, order binary.AppendByteOrder) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

// v1 returns a tag of version 1.1.
func v1(title, artist, album, year, comment string, track, genre byte) string {
	b := make([]byte, 128)
	copy(b, "TAG")
	copy(b[3:33], title)
	copy(b[33:63], artist)
	copy(b[63:93], album)
	copy(b[93:97], year)
	copy(b[97:125], comment)
	b[126], b[127] = track, genre
	return string(b)
}

func deflate(s string) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = io.WriteString(z, s)
	_ = z.Close()
	return b.String()
}

// wav returns a RIFF file with chunks: pairs of a name and the data.
func wav(chunks ...string) string {
	return "RIFF\xFF\xFF\xFF\x7FWAVE" + iff(binary.LittleEndian, chunks...)
}

func iff(order binary.AppendByteOrder, chunks ...string) string {
	var b []byte
	for i := 0; i < len(chunks); i += 2 {
		b = order.AppendUint32(append(b, chunks[i]...), uint32(len(chunks[i+1])))
		b = append(b, chunks[i+1]...)
		if len(b)%2 == 1 {
			b = append(b, 0)
		}
	}
	return string(b)
}

const audio = "\xFF\xFB\x50\xC4\x00\x00\x0A\x2C"

// TestReadAndBuild reads the tag of a source and writes it as that of an MP3.
func TestReadAndBuild(t *testing.T) {
	t.Parallel()
	title := f23("TIT2", 0, "\x00T")
	footer := "3DI\x04\x00\x10" + string(sizeOf(len(f24("TIT2", 0, "\x03end"))))
	tests := []struct {
		name    string
		demuxer string
		file    string
		want    []string
	}{
		{"2.4 with several artists, comment, lyrics, compilation, source", "mp3", v2(
			4, 0,
			f24("TIT2", 0, "\x01"+utf16le("Ünïcödé 漢字")), f24("TPE1", 0, "\x03Anna\x00Bob\x00Çelik"), f24("TDRC", 0, "\x032021-06-07T08:09"),
			f24("TRCK", 0, "\x007/9"), f24("COMM", 0, "\x03eng\x00my comment"), f24("COMM", 0, "\x03engmore\x00other"),
			f24("USLT", 0, "\x03eng\x00la la ♫"), f24("TBPM", 0, "\x00128"), f24("TCMP", 0, "\x001"),
			f24("WOAS", 0, "https://example.org/x"), f24("TIPL", 0, "\x03producer\x00P\x00mix\x00M"),
		), []string{
			"TIT2=Ünïcödé 漢字", "TPE1=Anna | Bob | Çelik", "TRCK=7/9", "TDRC=2021-06-07T08:09", "TCMP=1", "TBPM=128",
			"WOAS=https://example.org/x", "TIPL=producer | P | mix | M", "COMM:eng:=my comment", "COMM:eng:more=other", "USLT:eng:=la la ♫",
		}},
		{"1 in Latin-1", "mp3", audio + v1("Größe", "Artist", "Album", "1999", "cmt", 5, 12), []string{
			"TIT2=Größe", "TPE1=Artist", "TALB=Album", "TRCK=5", "TDRC=1999", "TCON=Other", "COMM:XXX:=cmt",
		}},
		{"1 in Windows-1252", "mp3", audio + v1("5 \x80 \x96 caf\xe9", "", "", "", "", 0, 255), []string{"TIT2=5 € – café"}},
		{"1 in UTF-8", "mp3", audio + v1("Größe", "漢字", "", "", "", 0, 255), []string{"TIT2=Größe", "TPE1=漢字"}},
		{"1 repeats the start of a comment in 2", "mp3", v2(4, 0, f24("COMM", 0, "\x00eng\x00a comment that is longer than 28 bytes")) + audio +
			v1("", "", "", "", "a comment that is longer than", 0, 255), []string{"COMM:eng:=a comment that is longer than 28 bytes"}},
		{"1 in UTF-8 that is cut", "mp3", audio + v1("Ä23456789012345678901234567漢", "Ã 345678901234567890123456789\xe9", "12345678901234567890123456789\xe9", "", "", 0, 255), []string{
			"TIT2=Ä23456789012345678901234567", "TPE1=Ã 345678901234567890123456789", "TALB=12345678901234567890123456789é",
		}},
		{"1.0, whose comment fills the place of the track", "mp3", audio + strings.Replace(v1("T", "", "", "", "", 0, 255), strings.Repeat("\x00", 30)+"\xFF", "123456789012345678901234567890\xFF", 1), []string{
			"TIT2=T", "COMM:XXX:=123456789012345678901234567890",
		}},
		{"1 fills in what 2 lacks", "mp3", v2(3, 0, f23("TIT2", 0, "\x00A title that is longer than 30 bytes")) + audio +
			v1("A title that is longer than 30", "Anna", "", "", "", 0, 17), []string{"TIT2=A title that is longer than 30 bytes", "TPE1=Anna", "TCON=Rock"}},
		{"2.2", "mp3", v2(
			2, 0, f22("TT2", "\x01"+utf16le("Ä")+"\x00\x00"), f22("TP1", "\x00Anna\x00"), f22("TYE", "\x002001"), f22("TDA", "\x003112"),
			f22("COM", "\x00eng\x00c"), f22("ULT", "\x00deu\x00l"), f22("TXX", "\x00BARCODE\x00123"), f22("TCO", "\x00(17)"), f22("TCP", "\x001"),
			f22("WAS", "http://example.org/"), f22("PIC", "\x00PNG\x03\x00xyz"), f22("ZZZ", "?"),
		), []string{
			"TIT2=Ä", "TPE1=Anna", "TDRC=2001-12-31", "TCON=Rock", "TCMP=1", "WOAS=http://example.org/",
			"COMM:eng:=c", "USLT:deu:=l", "TXXX:BARCODE=123",
		}},
		{"2.3", "mp3", v2(
			3, 0, f23("TIT2", 0, "\x01"+utf16le("T")+"\x00\x00"+utf16le("after the end")), f23("TPE1", 0, "\x00AC/DC"), f23("TYER", 0, "\x002001"),
			f23("TDAT", 0, "\x000102"), f23("TIME", 0, "\x001530"), f23("TCON", 0, "\x00(4)(CR)My own"), f23("XSOP", 0, "\x00Sort"),
			f23("TORY", 0, "\x001970"), f23("TLAN", 0, "\x00deu"), f23("WXXX", 0, "\x01"+utf16le("d")+"\x00\x00https://example.org/ü\x00"),
			f23("WXXX", 0, "\x01"+utf16le("ä")+"\x00\x00https://example.org/\x00"), f23("UFID", 0, "http://musicbrainz.org\x00abc"),
			f23("PRIV", 0, "WM/x\x00y"), f23("POPM", 0, "ada@example.org\x00\xFF"), f23("TENC", 0, "\x00Encoder"), f23("TXXX", 0, "\x00location\x00+48+016/"),
		), []string{
			"TIT2=T | after the end", "TPE1=AC/DC", "TDRC=2001-02-01T15:30", "TDOR=1970", "TCON=Disco | Cover | My own", "TLAN=deu", "TSOP=Sort",
			"UFID=http://musicbrainz.org.abc", "WXXX=\x03ä.https://example.org/",
		}},
		{"2.3 as ffmpeg wrote it", "mp3", v2(
			3, 0, f23("TXXX", 0, "\x01"+utf16le("comment")+"\x00\x00"+utf16le("c")), f23("TXXX", 0, "\x00USLT\x00la"), f23("TXXX", 0, "\x00compilation\x001"),
			f23("TXXX", 0, "\x00album_artist\x00AA"),
		), []string{"TPE2=AA", "TCMP=1", "COMM:XXX:=c", "USLT:XXX:=la"}},
		{"iTunes' numbers in comments", "mp3", v2(3, 0, f23("COMM", 0, "\x00eng\x00"), f23("COMM", 0, "\x00eng\x00real"),
			f23("COMM", 0, "\x00engiTunNORM\x00 0000"), f23("COMM", 0, "\x00engiTunSMPB\x00 0000")), []string{"COMM:eng:=real"}},
		{
			"UTF-16 without a mark", "mp3", v2(4, 0, f24("TIT2", 0, "\x02"+utf16be("bé")), f24("TPE1", 0, "\x01"+utf16be("bé")), f24("TALB", 0, "\x01"+encode16("bé", binary.LittleEndian))),
			[]string{"TIT2=bé", "TPE1=bé", "TALB=bé"},
		},
		{
			"UTF-8 that is declared as Latin-1", "mp3", v2(3, 0, f23("TIT2", 0, "\x00Größe"), f23("TPE1", 0, "\x00Gr\xf6\xdfe"), f23("TALB", 0, "\x03Gr\xf6\xdfe")),
			[]string{"TIT2=Größe", "TPE1=Größe", "TALB=Größe"},
		},
		{"half a character, a lone surrogate", "mp3", v2(4, 0, f24("TIT2", 0, "\x01\xFF\xFEa\x00b"), f24("TPE1", 0, "\x02\x00a\xD8\x00")), []string{"TIT2=a", "TPE1=a\uFFFD"}},
		{"unsynchronized 2.3", "mp3", v2(3, 0x80, strings.ReplaceAll(f23("TIT2", 0, "\x01"+utf16le("ÿa")), "\xFF", "\xFF\x00")+title), []string{"TIT2=ÿa"}},
		{"unsynchronized 2.2", "mp3", v2(2, 0x80, strings.ReplaceAll(f22("TT2", "\x01"+utf16le("a")), "\xFF", "\xFF\x00")), []string{"TIT2=a"}},
		{"unsynchronized frame of 2.4 with its length", "mp3", v2(4, 0, f24("TIT2", 3, "\x00\x00\x00\x07\x01\xFF\x00\xFEa\x00b\x00"), f24("TALB", 0, "\x00x")), []string{"TIT2=ab", "TALB=x"}},
		{"unsynchronized 2.4", "mp3", v2(4, 0x80, f24("TIT2", 2, "\x01\xFF\x00\xFEa\x00")), []string{"TIT2=a"}},
		{"extended header of 2.3", "mp3", v2(3, 0x40, "\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00", title), []string{"TIT2=T"}},
		{"extended header of 2.4", "mp3", v2(4, 0x40, "\x00\x00\x00\x06\x01\x00", f24("TIT2", 0, "\x00T")), []string{"TIT2=T"}},
		{"extended header longer than the tag", "mp3", v2(3, 0x40, "\xFF\xFF\xFF\xFF\x00\x00", title), nil},
		{"compressed frames", "mp3", v2(4, 0, f24("TIT2", 9, "\x00\x00\x00\x02"+deflate("\x00T")), f24("TPE1", 8, deflate("\x00A"))), []string{"TIT2=T", "TPE1=A"}},
		{"compressed frame of 2.3", "mp3", v2(3, 0, f23("TIT2", 0x80, "\x00\x00\x00\x02"+deflate("\x00T")), f23("TALB", 0x20, "g\x00A")), []string{"TIT2=T", "TALB=A"}},
		{"encrypted frames", "mp3", v2(4, 0, f24("TIT2", 4, "\x80secret"), f24("TPE1", 0x40, "g\x00A")) + v2(3, 0, f23("TALB", 0x40, "\x80secret")), []string{"TPE1=A"}},
		{"a compressed frame that grows", "mp3", v2(4, 0, f24("TIT2", 8, deflate("\x00"+strings.Repeat("x", 5<<20))), f24("TPE1", 0, "\x00A")), []string{"TPE1=A"}},
		{
			"2.4 with the sizes of 2.3", "mp3", v2(4, 0, f23("COMM", 0, "\x00eng\x00"+strings.Repeat("x", 200)), f23("TIT2", 0, "\x00T"), "\x00\x00\x00"),
			[]string{"TIT2=T", "COMM:eng:=" + strings.Repeat("x", 200)},
		},
		{
			"2.4 with the size of 2.3, which could be one of 2.4", "mp3", v2(4, 0, f23("COMM", 0, "\x00eng\x00"+strings.Repeat("x", 251)), f23("TIT2", 0, "\x00T")),
			[]string{"TIT2=T", "COMM:eng:=" + strings.Repeat("x", 251)},
		},
		{
			"2.4 with sizes that could be those of 2.3", "mp3",
			v2(4, 0, f24("TPE1", 0, "\x00"+strings.Repeat("x", 127)), f24("TALB", 0, "\x00"+strings.Repeat("y", 117)), "\x00\x00"),
			[]string{"TPE1=" + strings.Repeat("x", 127), "TALB=" + strings.Repeat("y", 117)},
		},
		{"a text with a zero", "mp3", v2(4, 0, f24("COMM", 0, "\x03eng\x00a\x00b")), []string{"COMM:eng:=a"}},
		{
			"2.4 with its sizes", "mp3", v2(4, 0, f24("COMM", 0, "\x00eng\x00"+strings.Repeat("x", 251)), f24("TIT2", 0, "\x00T")),
			[]string{"TIT2=T", "COMM:eng:=" + strings.Repeat("x", 251)},
		},
		{"a year, and a time without a day", "mp3", v2(3, 0, f23("TYER", 0, "\x001999"), f23("TIME", 0, "\x001530"), f23("TDAT", 0, "\x00x")), []string{"TDRC=1999"}},
		{"several strings with one mark", "mp3", v2(4, 0, f24("TPE1", 0, "\x01\xFE\xFF"+utf16be("Ä\x00Ж"))), []string{"TPE1=Ä | Ж"}},
		{"an encoding that does not exist", "mp3", v2(3, 0, f23("TIT2", 0, "\x09T")), []string{"TIT2=T"}},
		{"compressed 2.2", "mp3", v2(2, 0x40, f22("TT2", "\x00T")), nil},
		{"frames that say nothing", "mp3", v2(4, 0, f24("TIT2", 0, ""), f24("TALB", 0, "\x03"), f24("COMM", 0, "\x03en"), f24("TIPL", 0, "\x03producer\x00"),
			f24("TXXX", 0, "\x03BARCODE"), f24("TPE1", 0, "\x03A"), f24("T!T2", 0, "\x03A")), []string{"TPE1=A"}},
		{"genres", "mp3", v2(4, 0, f24("TCON", 0, "\x0317\x00RX\x00(300)\x00((x)\x00Rock")), []string{"TCON=Rock | Remix | 300 | (x)"}},
		{"padding", "mp3", v2(3, 0, title, strings.Repeat("\x00", 500)), []string{"TIT2=T"}},
		{"a frame longer than the tag", "mp3", v2(3, 0, title, "TALB\x7F\xFF\xFF\xFF\x00\x00\x00x"), []string{"TIT2=T"}},
		{"a tag longer than the file", "mp3", "ID3\x03\x00\x00\x7F\x7F\x7F\x7F" + title, []string{"TIT2=T"}},
		{"a size with high bits", "mp3", "ID3\x03\x00\x00\x80\x00\x00\x20" + title, nil},
		{"a future version", "mp3", v2(5, 0, title), nil},
		{"an ID of 2.2 in 2.3", "mp3", v2(3, 0, f23("TP1 ", 0, "\x00Anna"), f23("TAL\x00", 0, "\x00Album")), []string{"TPE1=Anna", "TALB=Album"}},
		{"two tags", "mp3", v2(3, 0, title) + v2(4, 0, f24("TIT2", 0, "\x00U"), f24("TALB", 0, "\x00A")) + audio, []string{"TIT2=T", "TALB=A"}},
		{"a tag at the end", "mp3", audio + "ID3" + footer[3:] + f24("TIT2", 0, "\x03end") + footer + v1("start", "Anna", "", "", "", 0, 255), []string{"TIT2=start", "TPE1=Anna"}},
		{"only a tag at the end", "aac", audio + "ID3" + footer[3:] + f24("TIT2", 0, "\x03end") + footer, []string{"TIT2=end"}},
		{"WAV", "wav", wav("fmt ", "1234", "data", "12345", "id3 ", v2(4, 0, f24("TIT2", 0, "\x00T"))), []string{"TIT2=T"}},
		{"WAV of more than 4 GiB", "wav", "RF64\xFF\xFF\xFF\xFFWAVE" + iff(binary.LittleEndian, "ds64", strings.Repeat("\x00", 8)+"\x04\x00\x00\x00\x00\x00\x00\x00"+strings.Repeat("\x00", 8)) +
			"data\xFF\xFF\xFF\xFF1234" + iff(binary.LittleEndian, "ID3 ", v2(4, 0, f24("TIT2", 0, "\x00T"))), []string{"TIT2=T"}},
		{"AIFF", "aiff", "FORM\x00\x00\x10\x00AIFC" + iff(binary.BigEndian, "COMM", "123", "SSND", "1234", "ID3 ", v2(3, 0, title)), []string{"TIT2=T"}},
		{"DSF", "dsf", "DSD " + strings.Repeat("\x00", 16) + "\x20\x00\x00\x00\x00\x00\x00\x00" + "fmt " + v2(4, 0, f24("TIT2", 0, "\x00T")), []string{"TIT2=T"}},
		{"DSF that points nowhere", "dsf", "DSD " + strings.Repeat("\x00", 16) + "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", nil},
		{"a container without ID3", "mov", v2(3, 0, title), nil},
		{"empty", "mp3", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			own, err := id3.Read(strings.NewReader(tt.file), int64(len(tt.file)), tt.demuxer)
			if err != nil {
				t.Fatal(err)
			}
			tag, _ := build(id3.Source{Demuxer: tt.demuxer, Own: own}, false)
			if diff := cmp.Diff(tt.want, dump(t, tag)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestKeepAllFrames(t *testing.T) {
	t.Parallel()
	file := v2(
		3, 0, f23("TIT2", 0, "\x00T"), f23("PRIV", 0, "owner\x00data"), f23("PRIV", 0, "owner\x00more"), f23("TENC", 0, "\x00E"), f23("TXXX", 0, "\x00location\x00+48"),
		f23("TLEN", 0, "\x001000"), f23("WPAY", 0, "https://example.org/"), f23("COMM", 0, "\x00engiTunSMPB\x00 0"), f23("SYLT", 0, "\x00eng\x02\x01"),
	)
	own, err := id3.Read(strings.NewReader(file), int64(len(file)), "mp3")
	if err != nil {
		t.Fatal(err)
	}
	tag, _ := build(id3.Source{Demuxer: "mp3", Own: own}, true)
	lines := dump(t, tag)
	slices.Sort(lines)
	want := []string{"PRIV=owner.data", "PRIV=owner.more", "TENC=E", "TIT2=T", "TXXX:location=+48", "WPAY=https://example.org/"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
}

// TestOwnTagsTakePrecedence mixes a source's own tag with what ffprobe reports.
func TestOwnTagsTakePrecedence(t *testing.T) {
	t.Parallel()
	own := id3.Tag{Frames: []id3.Frame{
		{ID: "TPE1", Values: []string{"Anna", "Bob"}},
		{ID: "COMM", Language: "eng", Values: []string{"c"}},
	}}
	reported := tags{"artist": "Anna", "title": "INFO", "comment": "other", "author": "someone"}
	for demuxer, want := range map[string][]string{
		"wav": {"TIT2=INFO", "TPE1=Anna | Bob", "COMM:eng:=c"}, // has RIFF INFO, too
		"mp3": {"TPE1=Anna | Bob", "COMM:eng:=c"},
	} {
		tag, _ := build(id3.Source{Demuxer: demuxer, Own: own, Tags: []map[string]string{reported}}, false)
		if diff := cmp.Diff(want, dump(t, tag)); diff != "" {
			t.Errorf("%s: %s", demuxer, diff)
		}
	}
	tag, _ := build(id3.Source{Demuxer: "mp3", Tags: []map[string]string{reported}}, false)
	if len(dump(t, tag)) != 4 {
		t.Errorf("without a tag of its own: %q", dump(t, tag))
	}
}

type failing struct{ io.ReadSeeker }

var errBroken = errors.New("broken")

func (failing) Read([]byte) (int, error) { return 0, errBroken }

func TestReadErrors(t *testing.T) {
	t.Parallel()
	for _, demuxer := range []string{"mp3", "wav", "aiff", "dsf"} {
		if _, err := id3.Read(failing{strings.NewReader("")}, 1000, demuxer); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", demuxer, err)
		}
	}
}

// FuzzRead checks that no file makes Read or Build fail or use more than the bounds.
func FuzzRead(f *testing.F) {
	for _, demuxer := range []string{"mp3", "wav", "aiff", "dsf"} {
		for _, seed := range []string{
			v2(2, 0x80, f22("TT2", "\x01"+utf16le("Ä")), f22("PIC", "\x00PNG\x03\x00xyz")),
			v2(3, 0x40, "\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00", f23("TIT2", 0x80, "\x00\x00\x00\x02"+deflate("\x00T")), f23("WXXX", 0, "\x01a")),
			v2(4, 0, f24("COMM", 3, "\x00\x00\x00\x07\x01eng\xFF\x00\xFEa\x00"), f24("APIC", 0, "\x00image/png\x00\x03d\x00xyz"), f24("UFID", 0, "o\x00i")),
			audio + v1("Größe", "A", "B", "1999", "c", 5, 12), wav("fmt ", "1234", "id3 ", v2(4, 0, f24("TIT2", 0, "\x00T"))),
			"FORM\x00\x00\x10\x00AIFC" + iff(binary.BigEndian, "ID3 ", v2(3, 0, f23("TIPL", 0, "\x00a\x00b\x00c"))),
		} {
			f.Add([]byte(seed), demuxer)
		}
	}
	f.Fuzz(func(t *testing.T, file []byte, demuxer string) {
		own, err := id3.Read(bytes.NewReader(file), int64(len(file)), demuxer)
		if err != nil {
			t.Fatal(err)
		}
		for _, keepAll := range []bool{false, true} {
			tag, _ := build(id3.Source{Demuxer: demuxer, Own: own, Cover: own.Front()}, keepAll)
			if len(tag) > id3.MaxSize {
				t.Fatalf("%d bytes", len(tag))
			}
			dump(t, tag)
			// What was written can be read, and is what would be written again.
			own, err := id3.Read(bytes.NewReader(tag), int64(len(tag)), "mp3")
			if err != nil {
				t.Fatal(err)
			}
			again, _ := build(id3.Source{Demuxer: "mp3", Own: own, Cover: own.Front()}, keepAll)
			if diff := cmp.Diff(dump(t, tag), dump(t, again)); diff != "" && !keepAll {
				t.Error(diff)
			}
		}
	})
}
